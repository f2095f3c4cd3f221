"""Small networks trained on scikit-learn's digits for every point of a grid of hyperparameters.

The outcome is in `benchmarks/data/digits_hpo.npz`, so that solvers can be compared on real trainings
without training: validation errors, twice each, of networks with 32 hidden units after 4 epochs.

    python benchmarks/_digits.py        # makes the file again, in some minutes of one core
"""

import itertools
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

FILE = Path(__file__).with_name("data") / "digits_hpo.npz"
RATES = np.logspace(-4, 0, 13)
DECAYS = (0.0, 1e-3, 1e-1, 3.0)
BATCHES = (16, 64, 256)
ACTIVATIONS = ("relu", "tanh", "logistic", "identity")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam")
TRAINED, EPOCHS, SEEDS = 900, 4, (0, 1)


def main() -> None:
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order] / 16, labels[order]
    grid = list(itertools.product(ACTIVATIONS, OPTIMIZERS, RATES, DECAYS, BATCHES))
    errors = [[_error(images, labels, seed, *point) for seed in SEEDS] for point in grid]
    sizes = (len(ACTIVATIONS), len(OPTIMIZERS), len(RATES), len(DECAYS), len(BATCHES), len(SEEDS))
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, errors=np.array(errors, dtype=np.float32).reshape(sizes))


def _error(
    images: np.ndarray,
    labels: np.ndarray,
    seed: int,
    activation: str,
    optimizer: str,
    rate: float,
    decay: float,
    batch: int,
) -> float:
    """The share of validation images that a network gets wrong; chance where its training diverged."""
    network = MLPClassifier(
        (32,),
        activation=activation,
        solver="adam" if optimizer == "adam" else "sgd",
        momentum=0.0 if optimizer == "sgd" else 0.9,
        nesterovs_momentum=optimizer == "nesterov",
        learning_rate_init=rate,
        alpha=decay,
        batch_size=batch,
        max_iter=EPOCHS,
        random_state=seed,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", (ConvergenceWarning))
            warnings.simplefilter("ignore", RuntimeWarning)
            network.fit(images[:TRAINED], labels[:TRAINED])
    except ValueError:  # its weights are no longer finite
        return 0.9
    return 1.0 - float(network.score(images[TRAINED:], labels[TRAINED:]))


if __name__ == "__main__":
    main()

"""Class weights against torch's own, and what they do on an unequal draw."""

import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tests.trainer.configs import trial
from trainer import config, data, recipes
from trainer.budget import Pace, Timings
from trainer.device import resolve_device
from trainer.errors import InvalidConfig
from trainer.evaluate import Score
from trainer.images import DeviceImages, compute_normalisation
from trainer.ingredients.class_weights import ClassWeights
from trainer.objective import TrainingObjective
from trainer.recipes import Hyperparameters
from trainer.setup import TrialSetup
from trainer.train import train

FULL = {"class_weights": {"power": 1.0}}
SMOOTHED = {**FULL, "label_smoothing": {"alpha": 0.2}}


def objective_of(labels: Tensor, changes: recipes.Changes) -> TrainingObjective:
    """An objective of black images with these labels, of 4 classes, without augmentation."""
    images = DeviceImages(torch.zeros(len(labels), 3, 8, 8, dtype=torch.uint8), labels)
    recipe = recipes.Recipe(recipes.Defaults("sgd", 0.1, 0.0, 2)).change(changes)
    device = resolve_device(config.from_json(trial()))
    normalise = compute_normalisation(images.images)
    return TrainingObjective(images, None, None, normalise, 4, False, recipe, recipe.defaults, device)


@given(st.lists(st.integers(0, 5000), min_size=2, max_size=20).filter(any), st.floats(0, 1))
def test_the_mean_weight_of_an_image_is_1_and_a_rarer_class_weighs_no_less(
    numbers: list[int], power: float
) -> None:
    counts = torch.tensor(numbers, dtype=torch.float32)
    weights = ClassWeights(power)(counts)
    assert float((weights * counts).sum() / counts.sum()) == pytest.approx(1, rel=1e-4)
    by_frequency = weights[counts.argsort()]
    assert bool((by_frequency.diff() <= 1e-6 * by_frequency[1:]).all())


def test_at_power_1_the_images_of_each_class_weigh_the_same_in_all() -> None:
    counts = torch.tensor([400.0, 150.0, 50.0])
    torch.testing.assert_close(ClassWeights(power=1.0)(counts) * counts, torch.full((3,), 200.0))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_of_all_images_is_torchs_with_these_weights(smoothing: float) -> None:
    labels = torch.tensor([0] * 9 + [1] * 3 + [2] * 3 + [3])
    objective = objective_of(labels, SMOOTHED if smoothing else FULL)
    logits = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    images = objective.training.images
    draw = objective.draw(torch.Generator(), torch.tensor(0.0), seed=0)
    _, targets = objective.batch(images, objective.targets, draw)
    ours = objective.loss(logits, targets)
    weights = torch.tensor([16 / 4 / count for count in (9, 3, 3, 1)])
    theirs = F.cross_entropy(
        logits, labels, weights, label_smoothing=smoothing
    )  # it divides by their sum, 16
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits))


def test_a_mixed_target_is_the_mixture_of_both_weighted_losses() -> None:
    labels = torch.tensor([0, 0, 0, 1, 2, 3])
    objective = objective_of(labels, {"class_weights": {}})
    logits, one = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), objective.targets
    torch.testing.assert_close(
        objective.loss(logits, 0.3 * one + 0.7 * one.roll(1, 0)),
        0.3 * objective.loss(logits, one) + 0.7 * objective.loss(logits, one.roll(1, 0)),
    )


def test_another_loss_is_refused_by_name() -> None:
    with pytest.raises(InvalidConfig, match="class_weights and asymmetric_loss do not go together"):
        recipes.load("nomad_haet", {"class_weights": {}, "asymmetric_loss": {}})


def thinned(labels: NDArray[np.int64], most: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training images, of which each class has 2/3 as many as the one before, and 40 others of each class."""
    rng = np.random.default_rng(seed)
    train, held_out = [], []
    for label in range(10):
        own = rng.permutation(np.flatnonzero(labels == label))
        train.append(own[: round(most * (2 / 3) ** label)])
        held_out.append(own[most : most + 40])
    return np.concatenate(train), np.concatenate(held_out)


def trained(seed: int, changes: recipes.Changes) -> Score:
    """The score after 150 steps on thinned digits."""
    found = config.from_json(trial(seed=seed, scale={"depth": 0.5, "width": 0.125}))
    decoded = data.load(found.dataset)
    parts = thinned(decoded.train_labels, 300, seed)
    training, validation = (
        DeviceImages(
            torch.from_numpy(decoded.train_images[part]).permute(0, 3, 1, 2),
            torch.from_numpy(decoded.train_labels[part]),
        )
        for part in parts
    )
    recipe = recipes.load("resnet9_baseline", changes)
    settings = recipes.resolve_hyperparameters(recipe.defaults, Hyperparameters(batch_size=64))
    objective = TrainingObjective(
        training, validation, validation, compute_normalisation(training.images), 10, False, recipe, settings,
        resolve_device(found),
    )  # fmt: skip
    setup = TrialSetup(found, data.about(found.dataset), decoded, objective)
    pace = Pace(Timings(1e-3, 0, 0, objective.steps_per_epoch), steps=150)
    score = train(setup.new_state(), pace, lambda *_: None)
    assert score is not None
    return score


@pytest.mark.slow
def test_weights_raise_the_balanced_accuracy_on_an_unequal_draw() -> None:
    pairs = [(trained(seed, {"class_weights": {}}), trained(seed, {})) for seed in range(3)]
    gains = [weighted.balanced_accuracy - plain.balanced_accuracy for weighted, plain in pairs]
    assert min(gains) > 0
    assert statistics.fmean(gains) > 0.05

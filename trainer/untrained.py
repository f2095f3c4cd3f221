"""A network with its initial weights, exported so that its latency can be measured before any training."""

from pathlib import Path

import torch

from trainer import data, models, recipes
from trainer.config import TrialConfig
from trainer.describe import compute_shape
from trainer.errors import InvalidConfig
from trainer.export import FORMATS, Check, make_noise, write_program
from trainer.images import Normalisation
from trainer.ingredients import Surgery, Vote
from trainer.preprocess import Preprocess
from trainer.saved_model import SavedModel
from trainer.trained_network import TrainedNetwork


def export(config: TrialConfig, to: str, path: Path) -> tuple[Path, Check]:
    """Write the network of a configuration in a format that runs without this project; return its check.

    It computes what the trained network would with other numbers, so it is as fast. Of networks that vote it
    makes one pass each, and none of test-time views. It is compared with torch on noise.
    Raises InvalidConfig, and InvalidModel for an exported network that computes something else.
    """
    if to not in FORMATS:
        raise InvalidConfig(f"an untrained network has no weights to keep as {to}; give --to onnx or pt2")
    model = _build(config)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path, write_program(model, FORMATS[to], path, *make_noise(model))
    except OSError as error:
        raise InvalidConfig(
            f"cannot write {path}: {error.strerror or error}; give another --output"
        ) from error


def _build(config: TrialConfig) -> SavedModel:
    """The network on the CPU in evaluation mode. Its normalisation stands for that of the training images."""
    about = data.about(config.dataset)
    recipe = recipes.load(config.recipe, config.ingredients, config.versions.recipes)
    shape, vote = compute_shape(config, about), recipe.one(Vote)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        networks = [
            models.build(config.model, shape, about.classes, (one.apply for one in recipe.every(Surgery))).to(
                memory_format=torch.channels_last
            )
            for _ in range(vote.count if vote else 1)
        ]
    names = tuple(map(str, about.class_images or range(about.classes)))
    normalise = Normalisation(torch.full((1, 3, 1, 1), 127.5), torch.full((1, 3, 1, 1), 64.0))
    network = TrainedNetwork(networks, names, normalise, vote, views=None, mirrored=False)
    network.eval().requires_grad_(False)
    made = Preprocess(
        "arrays", config.dataset.fitting, about.image_size, shape.resolution, config.dataset.rules
    )
    return SavedModel(network, made, {"input": {"resolution": shape.resolution, "channels": 3}})

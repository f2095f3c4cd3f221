"""How a network is trained: one file each, named on the command line by its file's name.

A file holds one `RECIPE`. Everything in it is a function of the images and of
progress p in [0, 1], so a schedule never depends on the clock or the machine.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer import optimizers

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from trainer.config import Hyperparameters

# images, progress, whether a mirrored image is still one of its class, draws
Augmentation = Callable[["Tensor", float, bool, "Generator"], "Tensor"]


@dataclass(frozen=True)
class Defaults:
    """Hyperparameters a configuration leaves open."""

    optimizer: str
    learning_rate: float
    weight_decay: float
    batch_size: int


@dataclass(frozen=True)
class Recipe:
    """The techniques of a training.

    augment_epoch: uint8 [N, 3, S, S], all training images, once an epoch
    augment_pixels: uint8 [B, 3, S, S], each batch
    augment_batch: float [B, 3, S, S], each batch, normalised to mean 0
    loss: logits [B, K], labels [B] to a scalar
    rate: progress to the share of the base learning rate
    """

    defaults: Defaults
    augment_epoch: Augmentation
    augment_pixels: Augmentation
    augment_batch: Augmentation
    loss: Callable[["Tensor", "Tensor"], "Tensor"]
    rate: Callable[[float], float]


def names() -> list[str]:
    """The recipes that can be named."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str) -> Recipe:
    """The recipe of a name in `names()`."""
    recipe: Recipe = importlib.import_module(f"{__name__}.{name}").RECIPE
    return recipe


def settled(defaults: Defaults, given: "Hyperparameters") -> Defaults:
    """The hyperparameters of a training: the given ones, else the recipe's.

    An optimizer given without a rate takes its own usual one, for the recipe's
    is another optimizer's.
    """
    optimizer = given.optimizer or defaults.optimizer
    usual = (
        defaults.learning_rate
        if optimizer == defaults.optimizer
        else optimizers.USUAL_LEARNING_RATE[optimizer]
    )
    return Defaults(
        optimizer=optimizer,
        learning_rate=usual if given.learning_rate is None else given.learning_rate,
        weight_decay=defaults.weight_decay if given.weight_decay is None else given.weight_decay,
        batch_size=given.batch_size or defaults.batch_size,
    )

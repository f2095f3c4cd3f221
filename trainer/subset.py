"""Training and validation images drawn out of a training set, the classes equally often.

Validation images are drawn first, so trials that differ in `train` alone are
held against the same images. The parts of one seed are disjoint. Where a number
is not divisible by the classes, the remainder goes to classes drawn by the seed,
one image each.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.config import Subset
from trainer.errors import InvalidConfig

Indices = NDArray[np.int64]


def draw(labels: Indices, classes: int, subset: Subset, names: Sequence[str] = ()) -> tuple[Indices, Indices]:
    """Indices of the training images and of the validation images, disjoint, each in random order.

    labels: int64 [N] of the training set. names: of the classes, for messages; none: they go by their
    numbers. Raises Refused where a class has too few images.
    """
    rng = np.random.default_rng(subset.seed)
    validation_share = _shares(subset.validation, classes, rng)
    train_share = _shares(subset.train, classes, rng)
    train, validation = [], []
    for label in range(classes):
        shuffled = rng.permutation(np.flatnonzero(labels == label))
        held_out, needed = int(validation_share[label]), int(validation_share[label] + train_share[label])
        mine = shuffled[subset.part * needed : (subset.part + 1) * needed]
        if needed > len(mine):
            name = names[label] if names else str(label)
            raise InvalidConfig(_too_few(name, len(shuffled), needed, subset))
        validation.append(mine[:held_out])
        train.append(mine[held_out:])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(validation))


def competition_first(labels: Indices, classes: int, subset: Subset, count: int) -> Indices:
    """All indices of a test set in an order whose first `count` are drawn for this subset.

    The classes are drawn equally often where they have the images for it, else as they come.
    """
    order = np.random.default_rng((subset.seed, subset.part)).permutation(len(labels))
    fewest = np.bincount(labels, minlength=classes).min()
    if count % classes or fewest < count // classes:
        return order
    rank = np.empty(len(labels), dtype=np.int64)  # of each image among those of its class
    for label in range(classes):
        mine = order[labels[order] == label]
        rank[mine] = np.arange(len(mine))
    chosen = rank[order] < count // classes
    return np.concatenate([order[chosen], order[~chosen]])


def _shares(count: int, classes: int, rng: np.random.Generator) -> Indices:
    """How many of `count` images each class gives."""
    share = np.full(classes, count // classes)
    share[rng.permutation(classes)[: count % classes]] += 1
    return share


def _too_few(name: str, held: int, needed: int, subset: Subset) -> str:
    if held < needed:
        return (
            f"class {name} has {held} training images, but {subset.train} for training and "
            f"{subset.validation} for validation need {needed} of it; ask for fewer images"
        )
    return (
        f"class {name} has {held} training images, which make {held // needed} disjoint parts of {needed}; "
        f"part {subset.part} is not among them, for they count from 0: ask for fewer parts or images"
    )

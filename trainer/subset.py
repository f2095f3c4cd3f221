"""Training and validation images drawn from a training set, equally many of each class.

Validation images are drawn first, so trials that differ only in `train` are validated on the same images. The
parts of one seed are disjoint. If a number is not divisible by the number of classes, the remainder goes to
classes drawn by the seed, one image each.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.config import Subset
from trainer.errors import InvalidConfig

Indices = NDArray[np.int64]


def draw(labels: Indices, classes: int, subset: Subset, names: Sequence[str] = ()) -> tuple[Indices, Indices]:
    """Indices of the training images and of the validation images, disjoint, each in random order.

    labels: int64 [N] of the training set; names: of the classes, for messages
    Raises InvalidConfig if a class has too few images.
    """
    rng = np.random.default_rng(subset.seed)
    validation_share = _spread_over_classes(subset.validation, classes, rng)
    train_share = _spread_over_classes(subset.train, classes, rng)
    train, validation = [], []
    for label in range(classes):
        shuffled = rng.permutation(np.flatnonzero(labels == label))
        held_out, needed = int(validation_share[label]), int(validation_share[label] + train_share[label])
        own = shuffled[subset.part * needed : (subset.part + 1) * needed]
        if needed > len(own):
            count = len(shuffled)
            what = f"class {names[label] if names else label} has {count} training images"
            if count < needed:
                raise InvalidConfig(
                    f"{what}, but {subset.train} for training and {subset.validation} for validation need "
                    f"{needed} of it; ask for fewer images"
                )
            raise InvalidConfig(
                f"{what}, which make {count // needed} disjoint parts of {needed}; part {subset.part} is not "
                "among them, as they count from 0: ask for fewer parts or images"
            )
        validation.append(own[:held_out])
        train.append(own[held_out:])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(validation))


def order_competition_first(labels: Indices, classes: int, subset: Subset, count: int) -> Indices:
    """All indices of a test set, of which the first `count` are drawn for this subset.

    The draw has equally many of each class if there are enough, else any.
    """
    order = np.random.default_rng((subset.seed, subset.part)).permutation(len(labels))
    fewest = np.bincount(labels, minlength=classes).min()
    if count % classes or fewest < count // classes:
        return order
    rank = np.empty(len(labels), dtype=np.int64)  # of each image within its class
    for label in range(classes):
        own = order[labels[order] == label]
        rank[own] = np.arange(len(own))
    chosen = rank[order] < count // classes
    return np.concatenate([order[chosen], order[~chosen]])


def _spread_over_classes(count: int, classes: int, rng: np.random.Generator) -> Indices:
    """How many of `count` images come from each class."""
    share = np.full(classes, count // classes)
    share[rng.permutation(classes)[: count % classes]] += 1
    return share

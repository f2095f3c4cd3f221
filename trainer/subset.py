"""Training and validation images drawn from a training set.

A `proportional` draw keeps the classes' shares, and has every class. A `balanced` one has equally many images
of each class. Validation images are drawn first, so trials that differ only in `train` are validated on the
same images. The parts of one seed are disjoint. What does not divide goes to classes drawn by the seed, one
image each.

With `folds` the whole training set is split into folds, stratified by class. One is held out for validation,
and the others are trained on.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.config import Subset
from trainer.errors import InvalidConfig

Indices = NDArray[np.int64]
_BISECTIONS = 100


def draw(labels: Indices, classes: int, subset: Subset, names: Sequence[str] = ()) -> tuple[Indices, Indices]:
    """Indices of the training images and of the validation images, disjoint, each in random order.

    labels: int64 [N] of the training set; names: of the classes, for messages
    Raises InvalidConfig if a class has too few images.
    """
    rng = np.random.default_rng(subset.seed)
    train_share, validation_share = _share(np.bincount(labels, minlength=classes), subset, names, rng)
    shuffled = [rng.permutation(np.flatnonzero(labels == label)) for label in range(classes)]
    train, validation = [], []
    if subset.folds is not None:
        in_order = np.concatenate([shuffled[label] for label in rng.permutation(classes)])
        is_held_out = np.arange(len(labels)) % subset.folds == subset.fold
        train, validation = [in_order[~is_held_out]], [in_order[is_held_out]]
    else:
        for own, trained, held_out in zip(shuffled, train_share, validation_share, strict=True):
            first = subset.part * (held_out + trained)
            validation.append(own[first : first + held_out])
            train.append(own[first + held_out : first + held_out + trained])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(validation))


def share(sizes: Sequence[int], subset: Subset, names: Sequence[str] = ()) -> tuple[Indices, Indices]:
    """How many training and validation images of each class `draw` takes, int64 [K] each.

    sizes: images of each class. With folds it is the share of each class, to within one image.
    Raises InvalidConfig as `draw` does.
    """
    return _share(np.array(sizes, np.int64), subset, names, np.random.default_rng(subset.seed))


def _share(
    sizes: Indices, subset: Subset, names: Sequence[str], rng: np.random.Generator
) -> tuple[Indices, Indices]:
    if subset.folds is not None:
        _check_folds(sizes, subset, names)
        held_out = np.rint(sizes / subset.folds).astype(np.int64)
        return sizes - held_out, held_out
    if subset.draw == "balanced":
        validation = _spread_over_classes(subset.validation, len(sizes), rng)
        train = _spread_over_classes(subset.train, len(sizes), rng)
    else:
        _check_proportional(sizes, subset, names)
        validation = _apportion(subset.validation, sizes, sizes - 1, rng)
        train = _apportion(subset.train, sizes - validation, sizes - validation, rng)
    needed = validation + train
    if (short := np.flatnonzero(sizes < needed)).size:
        _check_smallest(sizes, 1 + (subset.validation > 0), names)
        label = short[0]
        raise InvalidConfig(
            f"{_count_text(sizes, names, label)}, but {subset.train} for training and {subset.validation} "
            f"for validation need {needed[label]} of it; ask for fewer images"
        )
    if (short := np.flatnonzero(sizes < needed * (subset.part + 1))).size:
        label = short[0]
        raise InvalidConfig(
            f"{_count_text(sizes, names, label)}, which make {sizes[label] // needed[label]} disjoint parts "
            f"of {needed[label]}; part {subset.part} is not among them, as they count from 0: ask for fewer "
            "parts or images"
        )
    return train, validation


def _check_proportional(sizes: Indices, subset: Subset, names: Sequence[str]) -> None:
    """Raise InvalidConfig if some class would have no image to be trained or validated on."""
    parts = {"training": subset.train, "validation": subset.validation}
    parts = {purpose: count for purpose, count in parts.items() if count or purpose == "training"}
    _check_smallest(sizes, len(parts), names)
    for purpose, count in parts.items():
        if count < len(sizes):
            raise InvalidConfig(
                f"{count} {purpose} images are too few for {len(sizes)} classes: class "
                f"{_name(names, int(sizes.argmin()))} would have none; ask for {len(sizes)} or more"
            )
    if subset.train + subset.validation > sizes.sum():
        raise InvalidConfig(
            f"the {len(sizes)} classes have {sizes.sum()} training images in all, but {subset.train} for "
            f"training and {subset.validation} for validation are asked for; ask for fewer images"
        )


def _check_folds(sizes: Indices, subset: Subset, names: Sequence[str]) -> None:
    folds, whole = subset.folds or 0, int(sizes.sum())
    if folds > whole:
        raise InvalidConfig(f"{whole} training images do not make {folds} folds; ask for fewer folds")
    _check_smallest(sizes, 2, names)
    held_out = whole // folds + (subset.fold < whole % folds)
    if (subset.train, subset.validation) != (whole - held_out, held_out):
        raise InvalidConfig(
            f"fold {subset.fold} of {folds} of {whole} images has train {whole - held_out} and validation "
            f"{held_out}, not {subset.train} and {subset.validation}; give these numbers"
        )


def _check_smallest(sizes: Indices, least: int, names: Sequence[str]) -> None:
    """Raise InvalidConfig unless every class has so many images."""
    if sizes.min() < least:
        raise InvalidConfig(
            f"{_count_text(sizes, names, int(sizes.argmin()))}, but at least {least} are needed for training "
            "and validation; add images to it, or remove it"
        )


def _count_text(sizes: Indices, names: Sequence[str], label: int) -> str:
    count = sizes[label]
    return f"class {_name(names, label)} has {count} training image{'s' if count != 1 else ''}"


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if names else str(label)


def _apportion(count: int, sizes: Indices, most: Indices, rng: np.random.Generator) -> Indices:
    """How many of `count` images come from each class in proportion to `sizes`, by the largest remainder.

    A class has at least one image, and at most its `most`; the others then share the rest in proportion.
    Needs K <= count <= sum(most), or a count of 0. Ties are decided by the generator.
    """
    order = rng.permutation(len(sizes))
    if count == 0:
        return np.zeros_like(sizes)
    low, high = 0.0, 1.0  # of the factor of all sizes: with 1 every class has its most
    for _ in range(_BISECTIONS if count < most.sum() else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(middle * sizes, 1, most).sum() < count else (low, middle)
    exact = np.round(np.clip(high * sizes, 1, most), 9)  # a whole number stays one
    taken: Indices = np.floor(exact).astype(np.int64)
    by_remainder = order[np.argsort((taken - exact)[order], kind="stable")]
    taken[by_remainder[: count - taken.sum()]] += 1
    return taken


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

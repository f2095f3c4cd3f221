"""How many images a study trains and validates on, and their size, from its options and its data set.

Everything is resolved to numbers here, so that trial.json and the study's settings hold numbers. The trainer
draws the images, and refuses what it cannot draw. It knows no options: what to give instead is said here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.spec.command_options import BadOption, check
from orchestrator.spec.option_types import ALL_IMAGES, parse_images
from orchestrator.spec.options import RunOptions
from orchestrator.spec.trial_config import TrialTemplate
from orchestrator.trainer_client import NetworkInfo

_LARGE = 5000, 1000  # by default, where there are so many: the numbers of the HAET challenge
_FIFTH = 5  # of fewer images, one in five validates
_FOLDS, _FOLDS_BELOW = 6, 2000  # folds by default, where there are fewer images
_CURVE = 1000  # of all other images, those that learning curves use
_LEAST_SIZE, _MOST_SIZE, _SIZE_STEP = 16, 64, 4  # pixels a side, by default
_ROUNDING = 1e-9  # of a share times a number of images

Counts = tuple[int, int]  # training and validation images


@dataclass(frozen=True)
class Pool:
    """The training images that a study draws from.

    images: None: their number is not known
    sizes: images of each class by its name, of the smallest, a median and the largest of many, or empty where
        they are not known
    draw: proportional or balanced; None: the trainer's own
    parts: disjoint draws that are needed
    """

    images: int | None
    classes: int
    sizes: Mapping[str, int]
    draw: str | None
    parts: int = 1

    @classmethod
    def of(cls, described: NetworkInfo, draw: str | None, parts: int = 1) -> Pool:
        """Return the training images of the data set of a network."""
        images, sizes = (described.dataset.get(name) for name in ("train_images", "class_images"))
        return cls(images, described.classes, (images and sizes) or {}, draw, parts)

    @property
    def smallest(self) -> str:
        """The class with the fewest images."""
        return min(self.sizes, key=lambda name: self.sizes[name])

    @property
    def unit(self) -> int:
        """The smallest number of images that gives each class its share."""
        return self.classes if self.draw == "balanced" else 1

    @property
    def fifth(self) -> int:
        """A fifth of the images, and at least one of each class."""
        units = round((self.usable(True) or 0) / _FIFTH / self.unit)
        return max(self.classes, units * self.unit)

    @property
    def is_large(self) -> bool:
        """Whether the usual numbers of images can be drawn, as far as it is known."""
        usable = self.usable(True)
        return usable is None or (usable >= sum(_LARGE) and not self.why_not(*_LARGE))

    def usable(self, is_split: bool) -> int | None:
        """Return how many images each of the parts can have, whatever the seed; None if it is not known.

        is_split: into training and validation images, each of which is rounded to whole images of each class
        """
        if self.draw == "balanced":
            return self.classes * (self.sizes[self.smallest] // self.parts)
        if self.images is None or not self.sizes:
            return None if self.images is None else self.images // self.parts
        if self.sizes[self.smallest] < self.parts * (2 if is_split else 1):
            return 0
        if self.parts == 1:
            return self.images
        spare = 1.5 if is_split else 0.0  # what rounding twice may add to a class
        return max(0, int(self.images * min((n // self.parts - spare) / n for n in self.sizes.values())))

    def left(self, taken: int) -> int:
        """Return how many images can be drawn beside so many, whatever the seed. Raise BadOption."""
        usable = self.usable(taken > 0)
        if usable is None:
            raise BadOption("the number of all training images is not known here; give numbers of images")
        return max(0, usable // self.unit + -taken // self.unit) * self.unit

    def why_not(self, train: int, validation: int) -> str | None:
        """Return why not every seed can draw so many images; None if it can, or if nobody knows."""
        if not self.sizes:
            return None
        fewest = self.sizes[self.smallest]
        held = f"the class {self.smallest!r} has {_images_text(fewest)}"
        asked = f"{train} for training and {validation} for validation"
        if self.draw == "balanced":
            needed = -(-train // self.classes) + -(-validation // self.classes)
            return f"{held}, but {asked} need {needed} of each class" if needed > fewest else None
        if train + validation > (self.images or 0):
            return f"{held} and all classes {self.images}, too few for {asked}"
        if min(train, validation or train) < self.classes:
            return f"{held}, but {asked} are too few to have some of each of the {self.classes} classes"
        return None

    def check(self, train: int, validation: int) -> None:
        """Raise BadOption, with numbers that work, if no such draw is possible."""
        if not self.sizes:
            return
        self.check_smallest(2 if validation else 1)
        if why := self.why_not(train, validation):
            raise BadOption(f"{why}; give {images_options(*self.nearest(train, validation))}")

    def nearest(self, train: int, validation: int) -> Counts:
        """Return numbers of images that can be drawn with every seed.

        Validation images stay as many if they are few. Else both numbers keep about their proportion.
        """
        whole, least = (self.usable(validation > 0) or 0) // self.unit, self.classes // self.unit
        larger = max(train, least), max(validation, least) if validation else 0
        if self.draw != "balanced" and sum(larger) <= whole:
            return larger
        held_out = -(-validation // self.unit)
        if held_out > whole // _FIFTH:
            held_out = round(whole * validation / (train + validation))
        if validation:
            held_out = min(max(held_out, least), whole - least)
        return (whole - held_out) * self.unit, held_out * self.unit

    def remedies(self, train: int, validation: int, may_be_none: bool) -> str:
        """Return options with which all parts can be drawn.

        may_be_none: whether there need be no validation images
        """
        least = self.classes if self.sizes else 1  # of each purpose
        fewer = [replace(self, parts=parts) for parts in range(1, self.parts)]
        runs = [pool.parts for pool in fewer if pool.left(validation) >= train >= least]
        found = [f"--runs {runs[-1]}"] if runs else []
        if self.left(validation) >= least:
            found.append(f"--train-images {self.left(validation)}")
        found = found if validation == 0 or validation >= least else []
        if validation and may_be_none and self.left(0) >= train >= least:
            found.append("--validation-images 0")
        return ", or ".join(found) or self._other_numbers(train, validation)

    def _other_numbers(self, train: int, validation: int) -> str:
        """Return numbers of both, and fewer runs if need be, with which all parts can be drawn."""
        for parts in range(self.parts, 0, -1):
            pool = replace(self, parts=parts)
            if (pool.usable(validation > 0) or 0) >= self.classes * (1 + (validation > 0)):
                runs = "" if parts == self.parts else f"--runs {parts} "
                return runs + images_options(*pool.nearest(train, validation))
        return "a data set with at least 2 images of each class"

    def check_smallest(self, least: int) -> None:
        """Raise BadOption unless every class has so many images."""
        fewest = self.sizes[self.smallest]
        check(
            fewest >= least,
            f"the class {self.smallest!r} has {_images_text(fewest)}, and needs at least {least} for "
            "training and validation; add images to its folder, or remove the class",
        )


def with_images(
    training: TrialTemplate,
    request: RunOptions,
    described: NetworkInfo,
    recorded: Mapping[str, Any] | None,
    parts: int = 1,
) -> TrialTemplate:
    """Return the training with the numbers of images that `request` means on these data. Raise BadOption.

    described: a network on these data
    recorded: the training settings of the study that resumes, if any; those of an older version have no
        `pool_images`, and go on by its defaults and its draw
    parts: disjoint draws that are needed
    """
    pool, is_older = Pool.of(described, None, parts), recorded is not None and "pool_images" not in recorded
    if not pool.sizes and (request.draw or request.folds):
        raise BadOption(
            "the trainer does not tell the images of each class (docs/trainer-protocol.md), or not before a "
            "download, so it cannot be asked for a draw or for folds; omit --draw and --folds"
        )
    is_rest = bool(pool.sizes) and request.validation_images == ALL_IMAGES
    images, draw = pool.images, request.draw or ("proportional" if pool.sizes else None)
    if is_older and request.draw != "proportional":
        draw = None  # which is balanced
    pool = replace(pool, draw=draw)
    folds = (request.folds or None) if is_older else _folds(request, pool)
    if folds and images:
        pool.check_smallest(2)
        check(
            folds <= images, f"--folds {folds} is more than the {images} training images; give 2 to {images}"
        )
        counts, draw = (images - -(-images // folds), images // folds), None  # of the largest, smallest fold
    else:
        counts = _draw_counts(request, pool, is_older, training.test)
    return replace(
        training,
        train_images=counts[0],
        validation_images=counts[1],
        draw=draw,
        folds=folds,
        curve_images=_CURVE if is_rest and counts[1] > _CURVE else None,
        pool_images=None if is_older else images,
    )


def _draw_counts(request: RunOptions, pool: Pool, is_older: bool, is_tested: bool) -> Counts:
    """Return the numbers of images of a draw without folds. Raise BadOption if it is not possible."""
    counts = _numbers(request, pool, is_older)
    _check_measured(request, pool, *counts, is_tested)
    if request.usual_images:
        _check_parts(pool, *counts, is_tested)
    elif not is_older:
        pool.check(*counts)
    return counts


def default_size(described: NetworkInfo) -> int | None:
    """Return the image size in pixels that follows from the images; None: the data set's own."""
    side = described.dataset.get("shorter_side")
    return side and min(max(side // _SIZE_STEP * _SIZE_STEP, _LEAST_SIZE), _MOST_SIZE)


def check_batch(training: TrialTemplate, described: NetworkInfo) -> None:
    """Raise BadOption if the network's batch has more images than it is trained on."""
    batch = training.hyperparameters.get("batch_size") or described.batch_size or 0
    if batch > training.train_images:
        raise BadOption(
            f"a batch of {batch} images is more than the {training.train_images} training images; "
            f"give --batch-size {suggest_batch(training.train_images)}"
        )


def suggest_batch(train_images: int) -> int:
    """Return a power of two with which an epoch has four steps or a few more."""
    return 1 << (max(2, train_images // 4).bit_length() - 1)


def _folds(request: RunOptions, pool: Pool) -> int | None:
    """Return the user's folds, or those of a small data set."""
    if request.folds is not None:
        return request.folds or None
    is_asked = request.draw or request.train_images or request.validation_images
    is_small = bool(pool.sizes) and pool.images is not None and pool.images < _FOLDS_BELOW
    return _FOLDS if is_small and request.usual_images is None and not is_asked else None


def _check_measured(request: RunOptions, pool: Pool, train: int, validation: int, is_tested: bool) -> None:
    """Raise BadOption, with numbers that work, if no images are left to measure a network on."""
    if validation or is_tested:
        return
    instead = train, _LARGE[1]
    if pool.sizes:
        pool.check_smallest(2)
        instead = pool.nearest(train, pool.fifth)
    raise BadOption(
        f"--validation-images {request.validation_images} comes to 0 images, and nothing would be measured; "
        f"give {images_options(*instead)}"
    )


def _check_parts(pool: Pool, train: int, validation: int, is_tested: bool) -> None:
    """Raise BadOption if there are fewer images than all parts need, with what works instead."""
    needed = (train + validation) * pool.parts
    if pool.images is not None and needed > pool.images:
        raise BadOption(
            f"--runs {pool.parts} of {train}+{validation} images, none used twice, need {needed} training "
            f"images but there are {pool.images}; give {pool.remedies(train, validation, is_tested)}"
        )


def images_options(train: int, validation: int) -> str:
    """Return the options that ask for so many images, as typed."""
    return f"--train-images {train}" + (f" --validation-images {validation}" if validation else "")


def _numbers(request: RunOptions, pool: Pool, is_older: bool) -> Counts:
    """Return the numbers of training and validation images: the given ones and the defaults beside them."""
    texts = request.train_images, request.validation_images
    check(
        texts != (ALL_IMAGES, ALL_IMAGES),
        "--train-images all with --validation-images all: an image is for one of both; give a number for one",
    )
    train = _count(texts[0], pool.images, "--train-images")
    validation = _count(texts[1], pool.images, "--validation-images")
    usual = request.usual_images or (_LARGE if is_older or pool.is_large else None)
    if texts[1] == ALL_IMAGES:
        if train is None:
            train = usual[0] if usual else pool.left(pool.fifth)
        return train, pool.left(train)
    if validation is None:
        validation = usual[1] if usual else pool.fifth
        if train is not None and pool.images is not None and pool.left(train) >= pool.classes:
            validation = min(validation, pool.left(train))
    if train is None and usual and texts[0] != ALL_IMAGES:
        is_from_data = request.usual_images is None and pool.images is not None
        return min(usual[0], pool.left(validation)) if is_from_data else usual[0], validation
    return pool.left(validation) if train is None else train, validation


def _count(text: str | None, images: int | None, option: str) -> int | None:
    """Return a number or a share of images as their number; None for `all`, and if it is not given."""
    asked = parse_images(text) if text else None
    if not isinstance(asked, float):
        return asked if isinstance(asked, int) else None
    if images is None:
        raise BadOption(
            f"{option} {text}: the number of all training images is not known here; give a number"
        )
    return math.floor(asked * images + _ROUNDING)


def _images_text(count: int) -> str:
    return f"{count} training image{'s' if count != 1 else ''}"

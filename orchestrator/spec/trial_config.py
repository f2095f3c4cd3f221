"""The template of a study's trainings, and the configuration (trial.json) of one.

All trials of a search use the same images and the same seed, so that two networks do not differ by their
sample of images. Repeats differ in both. Two samples may have images in common; only the parts of one
sample (`disjoint`) do not. With K folds, repeat r holds out fold r mod K of partition r // K.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestrator.spec.recipe_overrides import Ingredients, merge_ingredients

PROTOCOL = 1
_MOST = 1e12  # seconds or steps
_ADDED = (
    "ingredients",
    "architecture",
    "test",
    "disjoint",
    "fit",
    "draw",
    "folds",
    "pool_images",
    "curve_images",
    "init",
    "versions",
)  # settings that are recorded only if they are set
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class TrialBudget:
    """The budget of one training: seconds of its clock, or optimizer steps. Exactly one is set."""

    seconds: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.steps is None):
            raise ValueError("a trial's budget is either seconds or steps; give one of them")
        amount = self.seconds if self.steps is None else self.steps
        if amount is None or not 0 < amount < _MOST:
            raise ValueError(
                f"a budget of {amount} is out of range; give more than 0 and less than {_MOST:.0e}"
            )

    @classmethod
    def parse(cls, text: str) -> TrialBudget:
        """Read `600s`, `10m`, `1h` or `500steps`; raise ValueError for anything else."""
        match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(s|m|min|h|steps?)?\s*", text)
        if match is None:
            raise ValueError(f"cannot read the budget {text!r}; write it like 600s, 10m, 1h or 500steps")
        number, unit = match[1], match[2]
        if unit is None:
            raise ValueError(f"a budget of {number} has no unit; write {number}s, {number}m or {number}steps")
        if not unit.startswith("step"):
            return cls(seconds=float(number) * _UNITS[unit])
        if "." in number:
            raise ValueError(f"a budget of {number} steps is not a whole number; write it like 500steps")
        return cls(steps=int(number))

    def to_json(self) -> dict[str, float]:
        return {name: amount for name, amount in asdict(self).items() if amount is not None}

    def __str__(self) -> str:
        return (
            f"{self.steps} step{'s' * (self.steps != 1)}" if self.steps is not None else f"{self.seconds:g} s"
        )


@dataclass(frozen=True)
class Choices:
    """The settings of one training that a point chooses; empty ones are the study's."""

    scale: Mapping[str, float]  # multipliers of the named network
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    ingredients: Ingredients = field(default_factory=dict)
    architecture: Mapping[str, Any] = field(default_factory=dict)  # all of it, or nothing


@dataclass(frozen=True)
class TrialTemplate:
    """How the networks of one study are trained; a point's choices override it."""

    network: str
    dataset: str
    train_images: int
    validation_images: int
    budget: TrialBudget
    seed: int = 0
    recipe: str = "nomad_haet"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    ingredients: Ingredients = field(default_factory=dict)  # those that differ from the recipe's
    architecture: Mapping[str, Any] = field(default_factory=dict)  # the network's own settings
    image_size: int | None = None  # pixels; None: the data set's own
    fit: str | None = None  # how images are made square; None: they are square, or the trainer does not say
    clock: str = "train"
    precision: str = "auto"
    device: str = "cpu"
    data_folder: str | None = None
    test: bool = False  # read the test images once, after training
    disjoint: bool = False  # a repeat's images are a part of one sample, not a sample of its own
    draw: str | None = None  # proportional or balanced; None: the trainer's own, which is balanced
    folds: int | None = None  # one of which a repeat holds out; None: images are drawn instead
    curve_images: int | None = None  # validation images that learning curves use; None: all
    pool_images: int | None = None  # all training images there are to draw from; None: not known
    init: Mapping[str, Any] = field(default_factory=dict)  # weights to start from: folder, sha256, new_head
    versions: Mapping[str, int] = field(default_factory=dict)  # of the trainer's rules; none: the first ones

    def config(self, chosen: Choices, replicate: int = 0) -> dict[str, Any]:
        """Return the trial.json of one training (docs/trainer-protocol.md)."""
        config = {
            "protocol": PROTOCOL,
            "model": self.network,
            "scale": dict(chosen.scale),
            "dataset": self.dataset,
            "image_size": self.image_size,
            "data_dir": self.data_folder,
            "subset": self._subset(replicate),
            "recipe": self.recipe,
            "hyperparameters": {**self.hyperparameters, **chosen.hyperparameters},
            "budget": self.budget.to_json(),
            "clock": self.clock,
            "seed": self.seed + replicate,
            "device": self.device,
            "precision": self.precision,
            "test": self.test,
        }
        rare = {
            "fit": self.fit,
            "versions": dict(self.versions),
            "ingredients": merge_ingredients(self.ingredients, chosen.ingredients),
            "architecture": dict(chosen.architecture or self.architecture),
            "init": dict(self.init) if "folder" in self.init else {},  # none: their files are gone
        }
        return config | {name: value for name, value in rare.items() if value}

    def _subset(self, replicate: int) -> dict[str, Any]:
        if self.folds and self.pool_images:
            partition, fold = divmod(replicate, self.folds)
            held_out = self.pool_images // self.folds + (fold < self.pool_images % self.folds)
            counts = {"train": self.pool_images - held_out, "validation": held_out}
            return {**counts, "seed": self.seed + partition, "folds": self.folds, "fold": fold}
        rare = {"draw": self.draw, "curve": self.curve_images}
        images = {"train": self.train_images, "validation": self.validation_images} | {
            name: value for name, value in rare.items() if value
        }
        if self.disjoint:
            return {**images, "seed": self.seed, "part": replicate}
        return {**images, "seed": self.seed + replicate}

    def question(self) -> dict[str, Any]:
        """Return the settings that a resumed study must repeat: all except where files are on this machine.

        The trainer identifies the data by their fingerprint, and initial weights by their checksum. Settings
        that older versions did not have are left out if they are not set, so that older studies can resume.
        """
        asked = asdict(self) | {
            "dataset": self.dataset.partition(":")[0],
            "budget": self.budget.to_json(),
            "hyperparameters": dict(self.hyperparameters),
            "ingredients": dict(self.ingredients),
            "architecture": dict(self.architecture),
            "init": {name: value for name, value in self.init.items() if name != "folder"},
            "versions": dict(self.versions),
        }
        del asked["data_folder"]
        return {name: value for name, value in asked.items() if value or name not in _ADDED}

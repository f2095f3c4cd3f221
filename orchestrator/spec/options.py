"""Options that all studies share: training, machine, results. Each command adds its own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from orchestrator import executors
from orchestrator.spec.command_options import (
    BadOption,
    CommandOptions,
    LocalPath,
    PathText,
    check,
    option,
    parsed,
)
from orchestrator.spec.limits import RETRIES, TrialLimits
from orchestrator.spec.names import check_name
from orchestrator.spec.option_types import Images, KeepWeights, Seed
from orchestrator.spec.recipe_overrides import Ingredients
from orchestrator.spec.recipe_overrides import parse as parse_ingredients
from orchestrator.spec.trial_config import TrialBudget
from orchestrator.trainer_client import with_absolute_paths
from results import file_names

OWN_TRAINER = (sys.executable, "-P", "-m", "trainer")
SCRIPT = "script"  # the data of trainings by a script, which has its own
SCRIPT_TRAINER = (sys.executable, "-P", "-m", "trainer.script")
LARGEST_SCALE = 100  # of a network or of a multiplier: much deeper ones take hours to describe
_LARGEST = 2**31  # of any other number: what the database and the libraries can hold
_study, _training, _machine, _results = (
    partial(option, panel) for panel in ("The study", "Each training", "The machine", "The results")
)
_place, _files = partial(_machine, set_by="owner"), partial(_results, set_by="owner")


class FileOptions(CommandOptions):
    """Options of all commands: where results and data are, and how a command tells what it does."""

    flags: ClassVar[Mapping[str, str]] = MappingProxyType({"as_json": "--json"})

    db: PathText | None = _files(
        "Results database: an SQLite file or an SQLAlchemy URL. [$NAS_DB, or results.db beside the trials]",
        environment="NAS_DB",
    )
    runs: LocalPath = _files("Folder for the trials' files.", Path("runs"))
    data_folder: LocalPath | None = _files("Folder for downloaded data sets. [the user's cache]")
    as_json: bool = _results(
        "Print JSON lines while it runs and one object at the end; what is for people goes to stderr.",
        False,
        set_by="command",
    )

    @property
    def database(self) -> str:
        return self.db or str(self.runs / file_names.DATABASE)


class RunOptions(FileOptions):
    """Options that all studies share: training, machine, results database. Each command adds its own."""

    removed = MappingProxyType({"stack": "each worker trains one repeat at a time"})

    seed: Seed = _study("Seed of the image sample, the initial weights and the solver. [0]", 0)
    demo: bool = _study("Run a small study on built-in data: minutes on two CPU cores.", False)
    plan: bool = _study(
        "Show what the study would cost, then exit. Nothing is trained or downloaded.",
        False,
        set_by="command",
    )
    base_depth: float = _study("Depth multiplier of the base network itself.", 1.0, le=LARGEST_SCALE)
    base_width: float = _study("Width multiplier of the base network itself.", 1.0, le=LARGEST_SCALE)
    base_resolution: float = _study(
        "Resolution multiplier of the base network itself.", 1.0, le=LARGEST_SCALE
    )

    data: str | None = _training(
        "Data set: digits, cifar10, torchvision:NAME, folder:PATH (of a folder, zip or tar file), csv:PATH "
        "or npz:PATH. [cifar10]"
    )
    image_size: int | None = _training(
        "Image size in pixels, before scaling. [the data set's own; of images of all sizes the median of "
        "their shorter sides, 16 to 64]"
    )
    fit: Literal["crop", "pad", "squash"] | None = _training(
        "How to make images square: crop, pad or squash. [as for the saved model, or crop]"
    )
    train_images: Images | None = _training(
        "Training images to draw: a number, a share (.8 or 80%), or all that validation leaves. [5000, or "
        "all of a set with fewer than 6000 images]"
    )
    validation_images: Images | None = _training(
        "Validation images to draw from the training set: a number, a share, or all that training leaves. "
        "[1000, or a fifth of a set with fewer than 6000 images]"
    )
    draw: Literal["proportional", "balanced"] | None = _training(
        "How to draw images: proportional keeps the classes' shares, balanced takes equally many of each "
        "class. [proportional]"
    )
    folds: int | None = _training(
        "Split the training set into so many folds: repeat r validates on fold r and trains on the others. "
        "0: draw images instead. [6 for fewer than 2000 images, else 0]",
        ge=0,
    )
    budget: str = _training("Budget of one training: 600s, 10m or 500steps.", "600s")
    clock: Literal["train", "strict"] = _training(
        "What a budget in seconds covers. train: training only; strict: everything from process start.",
        "train",
    )
    optimizer: str | None = _training("Optimizer. [the recipe's]")
    learning_rate: float | None = _training("Learning rate. [the recipe's]")
    weight_decay: float | None = _training("Weight decay. [the recipe's]")
    batch_size: int | None = _training("Batch size. [the recipe's]")
    ingredient: tuple[str, ...] = _training(
        "Ingredient to add to the recipe (NAME), change (NAME=JSON of its settings) or remove "
        "(NAME=null). Repeatable. [the recipe's]",
        (),
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = _training(
        "Numeric precision: auto, fp32, bf16 or fp16.", "auto"
    )

    device: str = _machine(
        "Device: auto, cpu or cuda. [auto: GPUs if there are any]", "auto", suggest=("auto", "cpu", "cuda")
    )
    slots: int | None = _machine(
        "Workers: trainings that run at a time. [one per GPU, or one per CPU core]", le=1000
    )
    executor: str = _place(
        f"Where the trainings run: {', '.join(executors.names())}.", "local", suggest=executors.names()
    )
    address: str | None = _place("Ray cluster: HOST:PORT, or auto for the one that this machine belongs to.")
    gpu_fraction: float | None = _place(
        "Fraction of a GPU per training on a Ray cluster. Needs a budget in steps. [1]"
    )
    partition: str | None = _place("SLURM partition.")
    account: str | None = _place("SLURM account.")
    timeout: float | None = _machine(
        "Seconds of wall time after which a training counts as hung. [budget + 10% + 180; a day if in steps]",
        gt=0,
    )
    max_memory: str | None = _machine(
        "Most host memory of one training and all its processes: 8GB, or none for no limit. [.9 of the "
        "machine's]"
    )
    retries: int = _machine(
        "Retries after a failure of the machine: the training was killed, or its GPU lost.",
        RETRIES,
        ge=0,
        le=100,
    )
    trainer: str | None = _place("Command of a trainer of your own (docs/trainer-protocol.md).")

    on_end: str | None = _files(
        "Command to run when the study ends, fails or is stopped, such as one that sends a message "
        "(docs/usage.md). It gets NAS_STUDY, NAS_STATE and NAS_SUMMARY in its environment."
    )
    study: str | None = _results("Name of the study. The same name resumes it. [made from the options above]")
    keep_weights: KeepWeights | None = _results(
        "Whose weights to keep: best (the networks that are named, and the base), confirmed (also every "
        "confirmed network), all (every training) or none. [best]"
    )

    @model_validator(mode="after")
    def _check_run(self) -> Self:
        for name, value in self:  # what the database and trial.json cannot hold
            if isinstance(value, str | Path) and any("\ud800" <= letter <= "\udfff" for letter in str(value)):
                shown = f"{self.flag(name)} {str(value).encode(errors='surrogateescape')!r}"
                remedy = "rename it, or set LC_ALL to one with UTF-8, such as C.UTF-8"
                raise BadOption(f"{shown} is not UTF-8 in this locale; {remedy}")
            if isinstance(value, int | float) and not abs(value) <= _LARGEST:
                raise BadOption(f"{self.flag(name)} {value} is out of range; give at most {_LARGEST}")
        check_name(self.study)
        parsed(TrialBudget.parse, self.budget, "budget")
        _ = self.limits
        parsed(parse_ingredients, self.ingredient, "ingredient")
        check(self.folds != 1, "--folds 1 leaves nothing to train on; give 2 or more, or 0 for no folds")
        check(
            not self.folds or not (self.train_images or self.validation_images or self.draw),
            f"--folds {self.folds} uses all training images; omit it, or --train-images, --validation-images "
            "and --draw",
        )
        check(bool(self.trainer_command), "--trainer is empty; give a command, or omit it")
        check(self.on_end is None or bool(self.on_end_words), "--on-end is empty; give a command, or omit it")
        return self

    @property
    def trainer_command(self) -> tuple[str, ...]:
        if self.trainer is None:
            return OWN_TRAINER
        return with_absolute_paths(parsed(shlex.split, self.trainer, "trainer"))

    @property
    def on_end_words(self) -> tuple[str, ...]:
        """The words of the command for the study's end; empty without one. Raise BadOption."""
        return with_absolute_paths(parsed(shlex.split, self.on_end or "", "on-end"))

    @property
    def only_shows(self) -> bool:
        """Whether the command only tells something, and records nothing."""
        return self.plan

    @property
    def usual_images(self) -> tuple[int, int] | None:
        """The default numbers of training and validation images; None: they follow from the data set."""
        return None

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The hyperparameters that the user fixed for every training."""
        names = ("optimizer", "learning_rate", "weight_decay", "batch_size")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @property
    def ingredients(self) -> Ingredients:
        """The ingredients that the user fixed for every training."""
        return parse_ingredients(self.ingredient)

    @property
    def kept_weights(self) -> KeepWeights:
        """Whose weights are kept, if the trainer can keep any."""
        return self.keep_weights or "best"

    @property
    def scale(self) -> dict[str, float]:
        return {"depth": self.base_depth, "width": self.base_width, "resolution": self.base_resolution}

    @property
    def limits(self) -> TrialLimits:
        """The limits of one training. Raise BadOption."""
        seconds = TrialBudget.parse(self.budget).seconds
        try:
            return TrialLimits.settled(seconds, self.timeout, self.max_memory, self.retries)
        except ValueError as error:
            raise BadOption(str(error)) from error

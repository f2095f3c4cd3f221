"""The options of nas-search and hpo-search: their help, their defaults and those of `--demo`.

An option that is not given is None, so that a demo's or a recorded study's own value can stand
in for it; `settle` is where that happens.
"""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from orchestrator.describe import located
from orchestrator.training import TrialBudget

OWN_TRAINER = (sys.executable, "-P", "-m", "trainer")

_LARGEST_SEED = 2_000_000_000  # a solver's is below 2**31, and a successor's is some thousands more
_Parsed = TypeVar("_Parsed")

_SEARCH = "The search"
_TRAINING = "Each training"
_MACHINE = "The machine"
_RECORD = "The record"


def _option(help_text: str, panel: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, show_default=False, **settings)


Base = Annotated[str, _option("Base network, as `trainer models` lists them, or a saved model.", _SEARCH)]
Model = Annotated[
    str, _option("Model to tune: saved by a study, built in (nomad_senet18), or a network.", _SEARCH)
]
Trials = Annotated[int | None, _option("Trainings to spend, replicates included. [100]", _SEARCH)]
Solver = Annotated[str | None, _option("nomad, tpe or random. [nomad]", _SEARCH)]
Block = Annotated[int | None, _option("Points asked of the solver at once. [number of slots]", _SEARCH)]
Seed = Annotated[int | None, _option("Seed of the solver, the images drawn and the weights. [0]", _SEARCH)]
Replicates = Annotated[int | None, _option("Trainings of the base network. [3]", _SEARCH, "--replicates")]
Confirm = Annotated[
    int | None, _option("More trainings of a winner before it is believed. [2]", _SEARCH, "--confirm")
]
MinAccuracy = Annotated[
    float | None, _option("Accuracy to keep, a fraction; no baseline is trained then.", _SEARCH)
]
Tolerance = Annotated[
    float | None, _option("Accuracy that may be given up, a fraction: .005 is half a point. [0]", _SEARCH)
]
Span = Annotated[str | None, _option("Multipliers LOW:HIGH. [depth .5:1.5, width .25:1.25]", _SEARCH)]
PixelSpan = Annotated[str | None, _option("Multipliers LOW:HIGH of the resolution. [.5:1.5]", _SEARCH)]
BaseScale = Annotated[float | None, _option("Scale of the base network itself. [1]", _SEARCH)]
SaveAs = Annotated[str | None, _option("Name to save the winner under. [nomad_BASE, tuned_MODEL]", _SEARCH)]
Demo = Annotated[
    bool, _option("A small search on embedded data: minutes on two CPU cores.", _SEARCH, "--demo")
]
Plan = Annotated[bool, _option("Say what the search would cost, and do nothing.", _SEARCH, "--plan")]

Dataset = Annotated[
    str | None, _option("digits, cifar10, npz:PATH or folder:PATH. [cifar10]", _TRAINING, "--data")
]
ImageSize = Annotated[
    int | None, _option("Pixels a side that images are stored at. [the data set's own]", _TRAINING)
]
TrainImages = Annotated[int | None, _option("Training images drawn. [5000]", _TRAINING)]
ValidationImages = Annotated[
    int | None, _option("Validation images, out of the training set. [1000]", _TRAINING)
]
Budget = Annotated[str | None, _option("Of one training: 600s, 10m, 500steps. [600s]", _TRAINING)]
Clock = Annotated[str | None, _option("train, or strict: from the process's start. [train]", _TRAINING)]
Recipe = Annotated[str | None, _option("How a network is trained. [nomad_haet]", _TRAINING)]
Optimizer = Annotated[str | None, _option("Optimizer of all trainings. [the recipe's]", _TRAINING)]
LearningRate = Annotated[float | None, _option("Learning rate of all trainings. [the recipe's]", _TRAINING)]
WeightDecay = Annotated[float | None, _option("Weight decay of all trainings. [the recipe's]", _TRAINING)]
BatchSize = Annotated[int | None, _option("Images a step. [the recipe's]", _TRAINING)]
Precision = Annotated[str | None, _option("auto, fp32 or bf16. [auto]", _TRAINING)]

Device = Annotated[str | None, _option("auto, cpu or cuda. [auto: GPUs where there are any]", _MACHINE)]
Slots = Annotated[int | None, _option("Trainings at a time. [one a GPU, or one a CPU core]", _MACHINE)]
Executor = Annotated[str | None, _option("What runs the trainings. [local]", _MACHINE)]
Timeout = Annotated[
    float | None,
    _option("Wall seconds after which a training counts as hung. [budget + 10% + 180]", _MACHINE),
]
Trainer = Annotated[
    str | None, _option("Another trainer's command (docs/trainer-protocol.md).", _MACHINE, "--trainer")
]

StudyName = Annotated[
    str | None, _option("Name on record; the same name resumes. [made of the above]", _RECORD, "--study")
]
Database = Annotated[
    str | None,
    _option("SQLAlchemy URL or SQLite file. [RUNS/results.db]", _RECORD, "--db", envvar="NAS_DB"),
]
Runs = Annotated[Path | None, _option("Folder of trials' files. [runs]", _RECORD, "--runs")]
DataFolder = Annotated[Path | None, _option("Where downloads are kept. [the user's cache]", _RECORD)]


class BadOption(ValueError):
    """An option's value is out of range; the message says what to give instead."""


@dataclass(frozen=True)
class Request:
    """What a user asks for, every option settled but those that only the machine or the data can tell."""

    kind: str
    subject: str  # the base network's or the model's name
    trials: int = 100
    solver: str = "nomad"
    block: int | None = None
    seed: int = 0
    replicates: int = 3
    confirm: int = 2
    min_accuracy: float | None = None
    tolerance: float = 0.0
    depth: str = ".5:1.5"
    width: str = ".25:1.25"
    resolution: str = ".5:1.5"
    base_depth: float = 1.0
    base_width: float = 1.0
    base_resolution: float = 1.0
    save_as: str | None = None
    demo: bool = False
    plan: bool = False
    data: str | None = None
    image_size: int | None = None
    train_images: int = 5000
    validation_images: int = 1000
    budget: str = "600s"
    clock: str = "train"
    recipe: str = "nomad_haet"
    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None
    precision: str = "auto"
    device: str = "auto"
    slots: int | None = None
    executor: str = "local"
    timeout: float | None = None
    trainer: str | None = None
    study: str | None = None
    db: str | None = None
    runs: Path = Path("runs")
    data_folder: Path | None = None

    def __post_init__(self) -> None:
        _check(self.trials >= 1, f"--trials {self.trials} allows no training; give at least 1")
        _check(self.replicates >= 1, f"--replicates {self.replicates} measures no base; give at least 1")
        _check(self.confirm >= 0, f"--confirm {self.confirm} is negative; give 0 or more")
        _check(self.block is None or self.block >= 1, f"--block {self.block} asks nothing; give at least 1")
        _check(
            self.min_accuracy is None or 0 <= self.min_accuracy <= 1,
            f"--min-accuracy {self.min_accuracy} is no fraction; 87% is 0.87",
        )
        _check(
            0 <= self.tolerance <= 1, f"--tolerance {self.tolerance} is no fraction; half a point is 0.005"
        )
        _check(
            self.min_accuracy is None or self.demo or not self.tolerance,
            f"--tolerance {self.tolerance} is for a measured baseline; leave it out with --min-accuracy",
        )
        _check(
            self.timeout is None or 0 < self.timeout < math.inf,
            f"--timeout {self.timeout} bounds nothing; give seconds above 0",
        )
        _check(self.clock in ("train", "strict"), f"--clock {self.clock} is unknown; give train or strict")
        _check(
            0 <= self.seed <= _LARGEST_SEED, f"--seed {self.seed} is out of range; give 0 to {_LARGEST_SEED}"
        )
        for name in filter(None, (self.study, self.save_as)):
            _check(
                re.fullmatch(r"\w[\w .+-]*", name) is not None,
                f"the name {name!r} is no good for a folder; use letters, digits, and . + - _ within",
            )
        _check(self.save_as != self.subject, f"--save-as {self.save_as} would hide what it came from")
        numbers = (self.learning_rate, self.weight_decay, *self.scale.values())
        _check(all(math.isfinite(n or 0) for n in numbers), f"not a finite number among {numbers}")
        _parsed(TrialBudget.parse, self.budget, "budget")
        _check(bool(self.trainer_command), "--trainer is empty; give a command, or leave it out")

    @property
    def trainer_command(self) -> tuple[str, ...]:
        return OWN_TRAINER if self.trainer is None else located(_parsed(shlex.split, self.trainer, "trainer"))

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Those that the user fixed for every training."""
        names = ("optimizer", "learning_rate", "weight_decay", "batch_size")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @property
    def scale(self) -> dict[str, float]:
        return {"depth": self.base_depth, "width": self.base_width, "resolution": self.base_resolution}

    @property
    def database(self) -> str:
        return self.db or str(self.runs / "results.db")

    @property
    def timeout_seconds(self) -> float:
        """Wall seconds of one training at most; budgets in steps say nothing of time, so those get a day."""
        seconds = TrialBudget.parse(self.budget).seconds
        return self.timeout or (86400.0 if seconds is None else 1.1 * seconds + 180.0)


_DEMO: Mapping[str, Any] = {
    "data": "digits",
    "train_images": 4000,
    "validation_images": 1000,
    "budget": "15s",
    "trials": 12,
    "tolerance": 0.01,
}
_NAS_DEMO: Mapping[str, Any] = {"base_width": 0.25, "batch_size": 64}  # small: many steps in few seconds


def settle(kind: str, subject: str, given: Mapping[str, Any]) -> Request:
    """Return the request: what the user gave, then the demo's defaults, then the usual ones.

    Raise BadOption for a value out of range.
    """
    known = {field.name for field in fields(Request)}
    asked = {name: value for name, value in given.items() if name in known and value is not None}
    demo = {**_DEMO, **(_NAS_DEMO if kind == "nas" else {})} if given.get("demo") else {}
    return Request(kind=kind, subject=subject, **{**demo, **asked})


def _parsed(parse: Callable[[str], _Parsed], text: str, name: str) -> _Parsed:
    try:
        return parse(text)
    except ValueError as error:
        raise BadOption(f"--{name}: {error}") from error


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BadOption(otherwise)

"""The options of a search with every default filled in: the user's value, a demo's, or the usual one.

An option that is not given is None on the command line; `filled` replaces it.
"""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.spec.limits import RETRIES, TrialLimits
from orchestrator.spec.objective import Objective, parse_objective, unused_options
from orchestrator.spec.recipe_overrides import Ingredients
from orchestrator.spec.recipe_overrides import parse as parse_ingredients
from orchestrator.spec.trial_config import TrialBudget
from orchestrator.trainer_client import with_absolute_paths
from results.metrics import METRICS

OWN_TRAINER = (sys.executable, "-P", "-m", "trainer")

_PRECISIONS = ("auto", "fp32", "bf16", "fp16")  # of the trainer's protocol
LONGEST_NAME = 200  # bytes; a disk takes 255 in one name
_FILES = re.compile(r"(results|optuna)\.db([.-].*)?|.*\.lock", re.IGNORECASE)  # that we write to --runs
_FITS = ("crop", "pad", "squash")  # likewise
_LARGEST_SEED = (
    2_000_000_000  # a solver's seed is below 2**31, and each restart of a solver adds some thousands
)
_Parsed = TypeVar("_Parsed")
_Asked = TypeVar("_Asked")


class BadOption(ValueError):
    """An option's value is out of range; the message says what to give instead."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options that all commands share: training, machine, results database. Each command adds its own."""

    seed: int = 0
    demo: bool = False
    plan: bool = False
    base_depth: float = 1.0
    base_width: float = 1.0
    base_resolution: float = 1.0
    data: str | None = None
    image_size: int | None = None
    fit: str | None = None
    train_images: int = 5000
    validation_images: int = 1000
    budget: str = "600s"
    clock: str = "train"
    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None
    ingredient: tuple[str, ...] = ()
    precision: str = "auto"
    device: str = "auto"
    slots: int | None = None
    executor: str = "local"
    address: str | None = None
    gpu_fraction: float | None = None
    partition: str | None = None
    account: str | None = None
    timeout: float | None = None
    max_memory: str | None = None
    retries: int = RETRIES
    trainer: str | None = None
    study: str | None = None
    db: str | None = None
    runs: Path = Path("runs")
    data_folder: Path | None = None

    def __post_init__(self) -> None:
        refuse(_unreadable(vars(self)))
        check(
            self.precision in _PRECISIONS,
            f"--precision {self.precision} is unknown; give one of {', '.join(_PRECISIONS)}",
        )
        check(self.fit in (None, *_FITS), f"--fit {self.fit} is unknown; give one of {', '.join(_FITS)}")
        check(self.clock in ("train", "strict"), f"--clock {self.clock} is unknown; give train or strict")
        check(
            0 <= self.seed <= _LARGEST_SEED, f"--seed {self.seed} is out of range; give 0 to {_LARGEST_SEED}"
        )
        check_name(self.study)
        _parsed(TrialBudget.parse, self.budget, "budget")
        _ = self.limits
        _parsed(parse_ingredients, self.ingredient, "ingredient")
        check(bool(self.trainer_command), "--trainer is empty; give a command, or omit it")

    @property
    def trainer_command(self) -> tuple[str, ...]:
        return (
            OWN_TRAINER
            if self.trainer is None
            else with_absolute_paths(_parsed(shlex.split, self.trainer, "trainer"))
        )

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
    def scale(self) -> dict[str, float]:
        return {"depth": self.base_depth, "width": self.base_width, "resolution": self.base_resolution}

    @property
    def database(self) -> str:
        return self.db or str(self.runs / "results.db")

    @property
    def limits(self) -> TrialLimits:
        """The limits of one training. Raise BadOption."""
        seconds = TrialBudget.parse(self.budget).seconds
        try:
            return TrialLimits.settled(seconds, self.timeout, self.max_memory, self.retries)
        except ValueError as error:
            raise BadOption(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class SearchOptions(RunOptions):
    """Options of a search, before the machine, the data and the trainer are asked."""

    kind: str
    subject: str  # the base network's or the model's name
    trials: int = 100
    max_gpu_hours: float | None = None
    solver: str = "nomad"
    block: int | None = None
    warm_start: str | None = None
    replicates: int = 3
    confirm: int = 6
    confidence: float = 0.95
    min_accuracy: float | None = None
    tolerance: float = 0.0
    depth: str = ".5:1.5"
    width: str = ".25:1.25"
    resolution: str = ".5:1.5"
    early_stop: float | None = None
    audit: float | None = None
    save_as: str | None = None
    recipe: str | None = None  # the model's own, or the usual one
    space: str = "training"  # of an hpo search
    minimise: str | None = None  # with `maximise`, the kind's usual aim where neither is given
    maximise: str | None = None
    max_macs: str | int | None = None
    max_params: str | int | None = None
    max_latency_ms: float | None = None
    max_energy_joules: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.trials >= 1, f"--trials {self.trials} is too few; give at least 1")
        check(
            0 < (1 if self.max_gpu_hours is None else self.max_gpu_hours) < math.inf,
            f"--max-gpu-hours {self.max_gpu_hours} is not positive; give hours above 0",
        )
        check(
            self.replicates >= 1,
            f"--replicates {self.replicates} is too few to measure the base network; give at least 1",
        )
        check(self.confirm >= 0, f"--confirm {self.confirm} is negative; give 0 or more")
        check(
            0.5 <= self.confidence < 1,
            f"--confidence {self.confidence} is out of range; give 0.5 or more and less than 1",
        )
        check(
            self.block is None or 1 <= self.block <= self.trials,
            f"--block {self.block} is out of range; give 1 to {self.trials}, the number of --trials",
        )
        self._check_accuracies()
        check(
            self.early_stop is None or 0 <= self.early_stop < 0.5,
            f"--early-stop {self.early_stop} is out of range; give 0 or more and less than .5",
        )
        check(
            self.audit is None or 0 <= self.audit <= 1,
            f"--audit {self.audit} is not a fraction; give 0 to 1",
        )
        check_name(self.save_as)
        check(
            self.save_as != self.subject.partition("@")[0],
            f"--save-as {self.save_as} would hide the model it was made from; give another name",
        )
        refuse(out_of_range(vars(self)))

    @property
    def aim(self) -> Objective:
        """The objective, with the limits that the user gave. Raise BadOption."""
        amounts = {metric.name: getattr(self, metric.field) for metric in METRICS.values()}
        try:
            return parse_objective(self.kind, self.minimise, self.maximise, amounts)
        except ValueError as error:
            raise BadOption(str(error)) from error

    def _check_accuracies(self) -> None:
        bound = self.min_accuracy
        check(bound is None or 0 <= bound <= 1, f"--min-accuracy {bound} is not a fraction; 87% is 0.87")
        check(
            0 <= self.tolerance <= 1,
            f"--tolerance {self.tolerance} is not a fraction; half a percentage point is 0.005",
        )
        check(
            bound is None or self.demo or not self.tolerance,
            f"--tolerance {self.tolerance} needs a measured baseline; omit it with --min-accuracy",
        )
        check(
            bound is None or self.aim.minimise is not None,
            f"--min-accuracy {bound} has no effect with --maximise accuracy alone; omit it, or add "
            "--minimise macs",
        )


def resolve_options(kind: str, subject: str, given: Mapping[str, Any]) -> SearchOptions:
    """Return the options of a search: the user's values, then the demo's defaults, then the usual ones.

    Raise BadOption for a value out of range.
    """
    values = demo_values(kind, given.get("space") or SearchOptions.space)
    request = SearchOptions(kind=kind, subject=subject, **fill_defaults(SearchOptions, given, values))
    refuse(idle(given, request.aim, request.early_stop))
    return request


def check(holds: bool, otherwise: str) -> None:
    """Raise BadOption with the message `otherwise` unless `holds`."""
    if not holds:
        raise BadOption(otherwise)


def refuse(words: Iterable[str]) -> None:
    """Raise BadOption with the first of these messages, if there are any."""
    for wrong in words:
        raise BadOption(wrong)


def _unreadable(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each text or path that is not UTF-8: the database and trial.json cannot hold it."""
    for name, value in given.items():
        if isinstance(value, str | Path) and any("\ud800" <= letter <= "\udfff" for letter in str(value)):
            shown = str(value).encode(errors="surrogateescape")
            yield (
                f"--{name.replace('_', '-')} {shown!r} is not UTF-8 in this locale; rename it, or set "
                "LC_ALL to one with UTF-8, such as C.UTF-8"
            )


def check_name(name: str | None, option: str = "") -> None:
    """Raise BadOption for a name that cannot be a folder's, or that is one of our files in --runs.

    option: which option to give instead, if the name was made from other options
    """
    if not name:
        return
    remedy = f"; give another {option}" if option else ""
    check(
        re.fullmatch(r"\w([\w .+-]*[\w+-])?", name) is not None,
        f"the name {name!r} cannot be the name of a folder; use letters, digits, and . + - _ within{remedy}",
    )
    size = len(name.encode())
    check(
        size <= LONGEST_NAME,
        f"the name {name[:20]!r}... has {size} bytes, more than {LONGEST_NAME}{remedy}",
    )
    check(
        _FILES.fullmatch(name) is None,
        f"the name {name!r} is that of a file in the folder of runs{remedy or '; give another'}",
    )


def _parsed(parse: Callable[[_Asked], _Parsed], given: _Asked, name: str) -> _Parsed:
    try:
        return parse(given)
    except ValueError as error:
        raise BadOption(f"--{name}: {error}") from error


LARGEST_SCALE = 100  # of a network or of a multiplier: much deeper ones take hours to describe
_LARGEST = 2**31  # of any other number: what the database and the libraries can hold
_LARGEST_OF = dict.fromkeys(("slots", "replicates", "confirm"), 1000) | {"trials": 1_000_000}
_LARGEST_OF |= dict.fromkeys(("base_depth", "base_width", "base_resolution"), LARGEST_SCALE)
_COUNTS = [metric.field for metric in METRICS.values() if metric.is_count]  # `parse_count` checks their range


def out_of_range(options: Mapping[str, object]) -> Iterator[str]:
    """Yield a message for each number that is not finite or too large."""
    for name, value in options.items():
        most = _LARGEST_OF.get(name, _LARGEST)
        if name in _COUNTS or not isinstance(value, int | float):
            continue
        if not abs(value) <= most:  # NaN fails this too
            yield f"--{name.replace('_', '-')} {value} is out of range; give at most {most}"


def idle(given: Mapping[str, object], aim: Objective, early_stop: float | None) -> Iterator[str]:
    """Yield a message for each given option that has no effect in a search with the objective `aim`."""
    for name in unused_options(aim):
        if given.get(name) is not None:
            yield f"--{name} {given[name]} has no effect with the goal '{aim}'; omit it"
    if given.get("min_accuracy") is not None and given.get("replicates") is not None:
        yield (
            f"--replicates {given['replicates']} has no effect with --min-accuracy, which replaces "
            "the baseline; "
            "omit one of them"
        )
    if early_stop == 0 and given.get("audit") is not None:
        yield f"--audit {given['audit']} has no effect with --early-stop 0; omit it"


_DEMO: Mapping[str, Any] = {
    "data": "digits",
    "train_images": 4000,
    "validation_images": 1000,
    "budget": "15s",
    "trials": 12,
    "tolerance": 0.01,
}
_NAS_DEMO: Mapping[str, Any] = {"base_width": 0.25, "batch_size": 64}  # small: many steps in few seconds

_SPACE_DEMO: Mapping[str, Mapping[str, Any]] = {
    "recipe": {"batch_size": 64},
    "resnet_budget": {"batch_size": 64, "max_params": 200_000},
}


def demo_values(kind: str, space: str) -> dict[str, Any]:
    """Return the default options of a demo of this kind of search."""
    return {**_DEMO, **(_NAS_DEMO if kind == "nas" else _SPACE_DEMO.get(space, {}))}


def fill_defaults(kind: type[Any], given: Mapping[str, Any], demo: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `kind` that are in `given`, or else in `demo` if a demo is asked for.

    A repeatable option that was not given is an empty list.
    """
    known = {field.name for field in fields(kind)}
    asked = {name: value for name, value in given.items() if name in known and value not in (None, [], ())}
    several = {name: tuple(value) for name, value in asked.items() if isinstance(value, list)}
    return {**(demo if given.get("demo") else {}), **asked, **several}

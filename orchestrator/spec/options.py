"""The table of options: one model a command, whose fields are its options.

A field has an option's type, default, range, help text and panel, and says who may set it. The command line,
study.toml, the REST schema, the form of the page and the lists of what is refused there follow from it.
A field's default is the usual value; a demo has others (`presets`).
"""

from __future__ import annotations

import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, core_schema

import search_spaces
from orchestrator import executors, pruners, solvers
from orchestrator.spec.limits import RETRIES, TrialLimits
from orchestrator.spec.objective import Objective, parse_objective, unused_options
from orchestrator.spec.recipe_overrides import Ingredients
from orchestrator.spec.recipe_overrides import parse as parse_ingredients
from orchestrator.spec.trial_config import TrialBudget
from orchestrator.trainer_client import with_absolute_paths
from results import file_names
from results.metrics import METRICS, Metric
from results.scores import ACCURACY, SCORES

OWN_TRAINER = (sys.executable, "-P", "-m", "trainer")
DEFAULT_SPACE = "training"  # of hpo-search
LONGEST_NAME = 200  # bytes; a disk takes 255 in one name
PROGRAMS = ("onnx", "pt2")  # formats of a network that --latency-command can measure
PATHS = ("npz", "folder")  # data sets that are named by a path
LARGEST_SCALE = 100  # of a network or of a multiplier: much deeper ones take hours to describe

_LONGEST_DATA = 80  # bytes of a data set's name in a study's
_FILES = re.compile(r"(results|optuna)\.db([.-].*)?|.*\.lock", re.IGNORECASE)  # that we write to --runs
# a solver's seed is below 2**31, and each restart of a solver adds some thousands
_LARGEST_SEED = 2_000_000_000
_LARGEST = 2**31  # of any other number: what the database and the libraries can hold
# what a value of each type may come as, and what is told of any other
_TAKEN: Mapping[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "is not a whole number; give one like 12"),
    float: ((int, float), "is not a number; give one like 0.5"),
    bool: ((bool,), "is neither true nor false; give one of them"),
    str: ((str, int, float), "is not text; write it in quotes"),
    Path: ((str,), "is not a path; write it in quotes"),
    list[str]: ((str, list, tuple), 'is not a list of texts; give one like ["mixup", "sam"]'),
}
_Parsed = TypeVar("_Parsed")
_Asked = TypeVar("_Asked")


class BadOption(ValueError):
    """An option's value is out of range; the message says what to give instead."""


@dataclass(frozen=True)
class _Within:
    """A check of a range, for pydantic. The message follows the option and its value."""

    least: float
    most: float
    otherwise: str

    def refuse(self, value: float) -> float:
        if not self.least <= value <= self.most:
            raise BadOption(self.otherwise)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.refuse, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.least, "maximum": self.most}


def _read_path(text: str) -> str:
    if not text:
        raise BadOption("is empty; give a path or a name")
    return os.path.expanduser(text)


Seed = Annotated[int, _Within(0, _LARGEST_SEED, f"is out of range; give 0 to {_LARGEST_SEED}")]
Fraction = Annotated[
    float, _Within(0, 1, "is not a fraction; 87% is 0.87, and half a percentage point is 0.005")
]
Confidence = Annotated[
    float, _Within(0.5, math.nextafter(1, 0), "is out of range; give 0.5 or more and less than 1")
]
WrongStops = Annotated[
    float, _Within(0, math.nextafter(0.5, 0), "is out of range; give 0 or more and less than .5")
]
KeepWeights = Literal["best", "confirmed", "all", "none"]
ALL_IMAGES = "all"


def parse_images(text: str) -> int | float | str:
    """Return a number of images, a share of all in (0, 1), or `all`. Raise BadOption for anything else."""
    if text == ALL_IMAGES:
        return text
    if re.fullmatch(r"\d+", text):
        check(len(text) <= 9, f"is out of range; give at most {10**9 - 1}")
        return int(text)
    if (share := _read_share(text)) is not None:
        return share
    raise BadOption("is not a number of images; give one like 5000, a share like .8 or 80%, or all")


def parse_share(text: str) -> float:
    """Return a share of all in (0, 1), written as .01 or 1%. Raise BadOption for anything else."""
    share = _read_share(text)
    if share is None:
        raise BadOption("is not a share of more than 0 and less than all; give one like 1% or .01")
    return share


def _read_share(text: str) -> float | None:
    match = re.fullmatch(r"(\d*\.?\d+)(%?)", text)
    share = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    return share if 0 < share < 1 else None


def _check_images(text: str) -> str:
    parse_images(text)
    return text


def _check_share(text: str) -> str:
    parse_share(text)
    return text


Images = Annotated[str, AfterValidator(_check_images)]
Share = Annotated[str, AfterValidator(_check_share)]
LocalPath = Annotated[Path, BeforeValidator(_read_path)]
PathText = Annotated[str, BeforeValidator(_read_path)]  # a path, or something else that has no ~
# user: whoever asks, by command line, file, REST or form; kept with the study, so that a resume has it
# owner: of the machine, on its command line or for all searches of a service
# command: this one call of the command
SetBy = Literal["user", "owner", "command"]


def option(
    panel: str,
    help_text: str,
    default: Any = None,
    *,
    set_by: SetBy = "user",
    environment: str | None = None,
    suggest: Iterable[str] = (),
    **settings: Any,
) -> Any:
    """Return the field of one option.

    help_text: ends in the default in brackets where `default` does not say it
    default: the usual value; `...` for an option that must be given
    environment: the variable that may hold the value
    suggest: values to choose from; others may be allowed
    settings: pydantic's, such as `ge` and `le`, the least and the most
    """
    facts: Any = {"panel": panel, "set_by": set_by, "environment": environment, "suggest": tuple(suggest)}
    return Field(default, description=help_text, json_schema_extra=facts, **settings)


_SPACES = [name for name in search_spaces.names() if name != "scaling"]  # of which nas-search is
PANELS = (
    "The service",
    "The search",
    "The evaluation",
    "The final training",
    "The study",
    "Each training",
    "The machine",
    "The results",
)
_, _search, _, _, _study, _training, _machine, _results = (partial(option, panel) for panel in PANELS)
_place, _files = partial(_machine, set_by="owner"), partial(_results, set_by="owner")


@dataclass(frozen=True)
class Option:
    """One option of a command, as its field describes it."""

    name: str  # of the field
    flag: str  # as typed
    field: FieldInfo
    shown: str | None  # the default in words, if this command has its own

    @property
    def keyword(self) -> str:
        """The name by which users give it, in files, in Python and in REST: as typed, with underscores."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def facts(self) -> dict[str, Any]:
        """What `option` was told."""
        return cast(dict[str, Any], self.field.json_schema_extra)

    @property
    def _annotation(self) -> Any:
        """The field's type without None and validators."""
        kind: Any = self.field.annotation
        while get_origin(kind) in (Union, UnionType, Annotated):
            kind = get_args(kind)[0]
        return kind

    @property
    def kind(self) -> Any:
        """The type of a value: str, int, float, bool, Path, or `list[str]` of a repeatable option."""
        return {Literal: str, tuple: list[str]}.get(get_origin(self._annotation), self._annotation)

    @property
    def choices(self) -> Sequence[str]:
        """Values to choose from; others may be allowed."""
        is_closed = get_origin(self._annotation) is Literal
        return get_args(self._annotation) if is_closed else self.facts["suggest"]

    @property
    def help(self) -> str:
        """The help text with the default in brackets."""
        text, default = str(self.field.description), self.field.default
        is_told = text.endswith("]") or self.field.is_required() or default in (None, False, ())
        shown = self.shown or ("" if is_told else default)
        return f"{text} [{shown}]" if shown else text

    def read_text(self, text: str) -> Any:
        """Return what is typed as a value of the option's type, or as it is if it cannot be read."""
        if self.kind not in (int, float) or "_" in text:  # Python reads 1_0 as 10
            return text
        try:
            return TypeAdapter(self.kind).validate_python(text)
        except ValidationError:
            return text

    def read(self, value: Any) -> Any:
        """Return a value as the field takes it. Raise BadOption for one of another type."""
        taken, otherwise = _TAKEN[self.kind]
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        is_other = isinstance(value, bool) and self.kind is not bool  # Python's bool is an int
        if is_other or not isinstance(value, taken):
            raise BadOption(self.refusal(value, otherwise))
        if self.kind is str:
            return str(value)
        return [value] if self.kind == list[str] and isinstance(value, str) else value

    def refusal(self, value: Any, why: str) -> str:
        """Return the line that refuses a value."""
        is_number_as_text = self.kind in (int, float) and isinstance(value, str) and value.isdecimal()
        shown = f'"{value}"' if is_number_as_text or value == "" else value
        return f"{self.flag} {shown} {why}"


class CommandOptions(BaseModel):
    """Options of one command. Each command has its own model, whose docstring is the command's help."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    program: ClassVar[str]
    flags: ClassVar[Mapping[str, str]] = {}  # of fields whose option has another name
    shown: ClassVar[Mapping[str, str]] = {}  # defaults in words that only this command has
    removed: ClassVar[Mapping[str, str]] = {}  # options of earlier versions, and what there is instead
    ten: ClassVar[tuple[str, ...]]  # the options that matter most, which --help shows
    examples: ClassVar[tuple[str, ...]]

    config: LocalPath | None = option(
        "The study",
        "File of options, one `name = value` a line (TOML). Options that are typed replace those in it.",
        set_by="command",
    )
    write_config: LocalPath | None = option(
        "The study", "Write the options given to this file for --config, then exit.", set_by="command"
    )

    @classmethod
    def options(cls, *set_by: SetBy) -> dict[str, Option]:
        """Return the options by the names that users give, or those that these may set.

        The ten come first, the others by panel.
        """
        found = list(map(cls.option, cls.model_fields))
        found.sort(
            key=lambda one: (
                (*cls.ten, one.keyword).index(one.keyword),
                PANELS.index(one.facts["panel"]),
            )
        )
        return {one.keyword: one for one in found if not set_by or one.facts["set_by"] in set_by}

    @classmethod
    def option(cls, field: str) -> Option:
        """Return the option of a field."""
        return Option(field, cls.flag(field), cls.model_fields[field], cls.shown.get(field))

    @classmethod
    def flag(cls, field: str) -> str:
        """Return the option of a field as it is typed."""
        return cls.flags.get(field, f"--{field.replace('_', '-')}")

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """Return the options with these values, and the usual defaults. Raise BadOption."""
        return cls._check(cls._read(given))

    @classmethod
    def resolve(cls, given: Mapping[str, Any]) -> Self:
        """Return the options: the user's values, then the environment's, a demo's defaults, the usual ones.

        None and an empty list mean not given. Raise BadOption for a value that is out of range or has no
        effect.
        """
        asked = cls._read(given)
        variables = {name: cls.option(name).facts["environment"] or "" for name in cls.model_fields}
        around = {name: os.environ.get(variable) for name, variable in variables.items()}
        set_around = {name: value for name, value in around.items() if value}
        request = cls._check({**cls.presets(asked), **set_around, **asked})
        for wrong in request.idle(asked):
            raise BadOption(wrong)
        return request

    @classmethod
    def with_names(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values by option, with underscores. Raise BadOption for a name that is none."""
        known = {cls.option(field).keyword for field in cls.model_fields} | set(cls.removed)
        named: dict[str, Any] = {}
        for key, value in given.items():
            name = key.replace("-", "_")
            check(name not in named, f"{name} is given twice; give it once")
            if name not in known:
                is_field = name in cls.model_fields
                remedy = f"give {cls.option(name).keyword}" if is_field else f"see {cls.program} --help-all"
                raise BadOption(f"{key} is not an option of {cls.program}; {remedy}")
            named[name] = value
        return named

    @classmethod
    def _read(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values by field, each of its option's type, without those not given."""
        options = {option.keyword: option for option in map(cls.option, cls.model_fields)}
        read = {}
        for name, value in cls.with_names(given).items():
            plain = value.tolist() if hasattr(value, "tolist") else value  # of numpy
            is_given = plain is not None and not (isinstance(plain, list | tuple) and not plain)
            if is_given and name not in cls.removed:
                read[options[name].name] = options[name].read(plain)
        return read

    @classmethod
    def _check(cls, values: Mapping[str, Any]) -> Self:
        """Return the options with these values by field. Raise BadOption."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise BadOption(cls._refusal(error.errors()[0])) from None

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the defaults that differ from the usual ones with these options, such as a demo's.

        given: by field, each of its option's type
        """
        return {}

    def idle(self, given: Mapping[str, Any]) -> Iterable[str]:
        """Yield a message for each given option that has no effect together with the others."""
        return ()

    @classmethod
    def _refusal(cls, error: ErrorDetails) -> str:
        """Return one line about what pydantic refuses."""
        facts = error.get("ctx", {})
        if not error["loc"]:  # our own check of several options
            return str(facts["error"])
        option = cls.option(str(error["loc"][0]))
        if error["type"] == "missing":
            return f"{option.flag} is missing; give it, or see {cls.program} --help"
        match facts:
            case {"error": why}:
                wrong = str(why)
            case {"expected": _}:
                wrong = f"is unknown; give {_one_of(option.choices)}"
            case {"ge": 0}:
                wrong = "is negative; give 0 or more"
            case {"ge": least}:
                wrong = f"is too few; give at least {least}"
            case {"gt": 0}:
                wrong = "is not positive; give more than 0"
            case {"le": most}:
                wrong = f"is out of range; give at most {most:.10g}"
            case _:
                _, wrong = _TAKEN[option.kind]
        return option.refusal(error["input"], wrong)


class FileOptions(CommandOptions):
    """Options about where results and data are, of all commands that train."""

    db: PathText | None = _files(
        "Results database: an SQLite file or an SQLAlchemy URL. [$NAS_DB, or RUNS/results.db]",
        environment="NAS_DB",
    )
    runs: LocalPath = _files("Folder for the trials' files.", Path("runs"))
    data_folder: LocalPath | None = _files("Folder for downloaded data sets. [the user's cache]")

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

    data: str | None = _training("Data set: digits, cifar10, npz:PATH or folder:PATH. [cifar10]")
    image_size: int | None = _training("Image size in pixels, before scaling. [the data set's own]")
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
        "Seconds of wall time after which a training counts as hung. [budget + 10% + 180]", gt=0
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
        _parsed(TrialBudget.parse, self.budget, "budget")
        _ = self.limits
        _parsed(parse_ingredients, self.ingredient, "ingredient")
        check(self.folds != 1, "--folds 1 leaves nothing to train on; give 2 or more, or 0 for no folds")
        check(
            not self.folds or not (self.train_images or self.validation_images or self.draw),
            f"--folds {self.folds} uses all training images; omit it, or --train-images, --validation-images "
            "and --draw",
        )
        check(bool(self.trainer_command), "--trainer is empty; give a command, or omit it")
        return self

    @property
    def trainer_command(self) -> tuple[str, ...]:
        if self.trainer is None:
            return OWN_TRAINER
        return with_absolute_paths(_parsed(shlex.split, self.trainer, "trainer"))

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


def _limit(metric: Metric) -> tuple[Any, Any]:
    """Return the type and the field of the option that limits a metric."""
    if metric.is_count:
        return Annotated[str | float | None, AfterValidator(_check_positive)], _search(metric.limit_help)
    return float | None, _search(metric.limit_help)


def _check_positive(count: str) -> str:
    if count.strip().startswith("-"):
        raise BadOption("is not positive; give more than 0")
    return count


def _check_metric(name: str) -> str:
    known = _one_of(tuple(SCORES))
    if name == "loss":
        raise BadOption(f"cannot be sought: a verdict is about a share of images; give {known}")
    check(name in SCORES, f"is unknown; give {known}")
    return name


if TYPE_CHECKING:
    LimitOptions = RunOptions
else:  # one option for each metric
    LimitOptions = create_model(
        "LimitOptions", __base__=RunOptions, **{metric.field: _limit(metric) for metric in METRICS.values()}
    )


class SearchOptions(LimitOptions):
    """Options of a search, before the machine, the data and the trainer are asked."""

    kind: ClassVar[str]
    subject_option: ClassVar[str]  # that names the network to start from
    demo_of_0_1: ClassVar[Mapping[str, Any]]  # the presets in which the demo of version 0.1 differs

    minimise: str | None = _search(f"What to minimise: {', '.join(METRICS)}.", suggest=METRICS)
    maximise: str | None = _search(
        "Give accuracy to maximise it, without a baseline. Together with --minimise: the Pareto front.",
        suggest=("accuracy",),
    )
    metric: Annotated[str, AfterValidator(_check_metric)] = _search(
        f"What counts as accuracy: {', '.join(SCORES)}. It is sought, required and shown in its place.",
        ACCURACY.name,
        suggest=SCORES,
    )
    min_accuracy: Fraction | None = _search(
        "Required accuracy (or other --metric), a fraction such as .87. No baseline is trained then."
    )
    trials: int = _search("Most trainings, repeats included.", 100, ge=1, le=1_000_000)
    max_gpu_hours: float | None = _search(
        "Most device-hours: the search starts no training once they run out. Failed trainings and "
        "resumes count. [no limit]",
        gt=0,
    )
    until_saving: Share | None = _search(
        "Stop when 10 more trainings are expected to save less than this share (1% or .01) of what is "
        "minimised. [search on]"
    )
    solver: str = _search(
        f"Solver that proposes the candidates: {', '.join(solvers.names())}.",
        "nomad",
        suggest=solvers.names(),
    )
    block: int | None = _search("Candidates per iteration. [number of workers]")
    warm_start: str | None = _search(
        "Earlier study in this results database whose best candidates are tried first."
    )
    replicates: int = _search("Trainings of the base network that measure the baseline.", 3, ge=1, le=1000)
    force: bool = _search(
        "Search even if the base network is at chance: no more accurate than always answering the most "
        "frequent class.",
        False,
    )
    confirm: int = _search(
        "Most confirmation trainings per candidate; 0 turns confirmation off.", 6, ge=0, le=1000
    )
    confidence: Confidence = _search(
        "Confidence c in the final answer. A single candidate is held to more (docs/confirmation.md).", 0.95
    )
    pruner: str | None = _search(
        f"Rule that stops a training early: {', '.join(pruners.names())}. [{pruners.USUAL}]",
        suggest=pruners.names(),
    )
    early_stop: WrongStops | None = _search(
        "Stop a training once its learning curve cannot reach the required accuracy. The value is the "
        "tolerated fraction of wrong stops; 0 turns early stopping off. [0.05]"
    )
    audit: Fraction | None = _search(
        "Fraction of trials exempt from early stopping, to estimate its error rate. [0.1]"
    )
    tolerance: Fraction = _search(
        "Accuracy that may be lost against the baseline, a fraction: .005 is half a percentage point. [0]",
        0.0,
    )
    save_as: str | None = _search("Name to save the best network under.")
    recipe: str | None = _training("Training recipe. [as for the saved model, or nomad_haet]")
    latency_command: str | None = _place(
        "Command that measures latency: it gets the network's ONNX file where it says {onnx}, and prints "
        "milliseconds (docs/formulations.md). [measured on a worker]"
    )
    server: str | None = _results(
        "Queue the search at this nas-serve instead (http://HOST:8420), and print where to watch it.",
        set_by="command",
    )
    token_file: LocalPath | None = _results(
        "File with the token for --server. [the variable NAS_TOKEN]", set_by="command"
    )

    @property
    def subject(self) -> str:
        """The name of the network or model that the search starts from."""
        return str(getattr(self, self.subject_option))

    @property
    def named_space(self) -> str:
        """The named space that is searched, or the default one for a search of multipliers."""
        return DEFAULT_SPACE

    @property
    def aim(self) -> Objective:
        """The objective, with the limits that the user gave. Raise BadOption."""
        amounts = {metric.name: getattr(self, metric.field) for metric in METRICS.values()}
        try:
            found = parse_objective(self.kind, self.minimise, self.maximise, amounts)
        except ValueError as error:
            raise BadOption(str(error)) from error
        return replace(found, sought=SCORES[self.metric])

    @property
    def latency_words(self) -> tuple[str, ...]:
        """The words of the command that measures latency; empty without one. Raise BadOption."""
        words = tuple(_parsed(shlex.split, self.latency_command or "", "latency-command"))
        check(
            self.latency_command is None or any(f"{{{name}}}" in word for word in words for name in PROGRAMS),
            f"--latency-command {self.latency_command!r} does not say where the network's file goes; put "
            "{onnx} there",
        )
        return words

    @field_validator("early_stop")
    @classmethod
    def _say_it_once(cls, level: float | None, info: ValidationInfo) -> float | None:
        """Return None where `--pruner none` says the same as `--early-stop 0`."""
        return None if level == 0 and info.data.get("pruner") == "none" else level

    @model_validator(mode="after")
    def _check_search(self) -> Self:
        bound = self.min_accuracy
        if self.block is not None and not 1 <= self.block <= self.trials:
            most = f"{self.trials}, the number of --trials"
            raise BadOption(f"--block {self.block} is out of range; give 1 to {most}")
        if bound is not None and self.tolerance and not self.demo:
            raise BadOption(
                f"--tolerance {self.tolerance} needs a measured baseline; omit it with --min-accuracy"
            )
        if bound is not None and self.aim.minimise is None:
            remedy = "omit it, or add --minimise macs"
            raise BadOption(f"--min-accuracy {bound} has no effect with --maximise accuracy alone; {remedy}")
        for name in ("pruner", "solver"):
            value, known = getattr(self, name), self.option(name).choices
            check(value in (None, *known), f"--{name} {value} is unknown; give {_one_of(known)}")
        check_name(self.save_as)
        _ = self.latency_words
        if self.save_as == self.subject.partition("@")[0]:
            raise BadOption(
                f"--save-as {self.save_as} would hide the model it was made from; give another name"
            )
        return self

    def idle(self, given: Mapping[str, Any]) -> Iterator[str]:
        for name in unused_options(self.aim):
            if name in given:
                yield f"--{name} {getattr(self, name)} has no effect with the goal '{self.aim}'; omit it"
        if "min_accuracy" in given and "replicates" in given:
            yield (
                f"--replicates {self.replicates} has no effect with --min-accuracy, which replaces the "
                "baseline; omit one of them"
            )
        if self.latency_command is not None and METRICS["latency"] not in self.aim.metrics:
            yield (
                "--latency-command has no effect without --minimise latency or --max-latency-ms; omit it, or "
                "give one of them"
            )
        if self.force and (self.min_accuracy is not None or not self.aim.needs_bound):
            yield "--force has no effect without a measured baseline; omit it"
        off = "--early-stop 0" if self.early_stop == 0 else "--pruner none" if self.pruner == "none" else ""
        if off and "audit" in given:
            yield f"--audit {self.audit} has no effect with {off}; omit it"


def without_images(presets: Mapping[str, Any]) -> dict[str, Any]:
    """Return presets without numbers of images, which folds make superfluous."""
    return {
        name: value for name, value in presets.items() if name not in ("train_images", "validation_images")
    }


# A budget in steps, a number of candidates per iteration and no early stopping, which acts when it reads a
# curve: so a demo finds the same on a slow machine, a busy one and one of many cores (benchmarks/demo.py).
_DEMO: Mapping[str, Any] = {
    "base_width": 0.25,
    "data": "digits",
    "train_images": "4000",
    "validation_images": "1000",
    "budget": "250steps",
    "trials": 30,
    "block": 2,
    "pruner": "none",
}
FEW_STEPS = ("auto_augment=null", "cutout=null")  # augmentations that take many steps to pay
_DEMO_OF_0_1 = MappingProxyType({"budget": "15s", "trials": 12, "tolerance": 0.01, "ingredient": ()})


def _demo(given: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of a demo with these options, of which `own` are the search's; empty if it is none.

    What is given of early stopping turns it on.
    """
    if not given.get("demo"):
        return {}
    demo = {**_DEMO, **own}
    if any(given.get(name) is not None for name in ("early_stop", "audit")):
        del demo["pruner"]
    demo["block"] = min(demo["block"], given.get("trials", demo["trials"]))
    return without_images(demo) if given.get("folds") else demo


class NasOptions(SearchOptions):
    """Find the smallest variant of a base network that is still as accurate.

    The search varies depth, width and resolution multipliers. It minimises MACs subject to a required
    accuracy, unless --minimise and --maximise say otherwise. To resume, run the same command again.
    """

    program = "nas-search"
    kind = "nas"
    subject_option = "base"
    demo_of_0_1 = _DEMO_OF_0_1
    shown = MappingProxyType({"minimise": "macs", "save_as": "nomad_BASE"})
    ten = ("base", "data", "budget", "trials", "solver", "tolerance", "slots", "study", "demo", "plan")
    examples = (
        "nas-search --base senet18 --demo",
        "nas-search --base senet18 --data folder:PHOTOS --budget 5m --plan",
        "nas-search --base resnet18 --min-accuracy .9 --trials 200",
    )

    base: PathText = _search("Base network: one that `trainer models` lists, or a saved model.", ...)
    depth: str = _search("Depth multipliers to search, LOW:HIGH.", ".5:1.5")
    width: str = _search("Width multipliers to search, LOW:HIGH.", ".25:1.25")
    resolution: str = _search("Resolution multipliers to search, LOW:HIGH.", ".5:1.5")

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        own = {"budget": "400steps", "tolerance": 0.02, "batch_size": 64, "ingredient": FEW_STEPS}
        return _demo(given, own)


class HpoOptions(SearchOptions):
    """Tune how a network is trained: its hyperparameters, its recipe or its architecture (--space).

    The search maximises accuracy, unless --minimise and --maximise say otherwise. To resume, run the same
    command again.
    """

    program = "hpo-search"
    kind = "hpo"
    subject_option = "model"
    demo_of_0_1 = MappingProxyType(_DEMO_OF_0_1 | {"base_width": 1.0})
    shown = MappingProxyType(
        {"maximise": "accuracy", "save_as": "tuned_MODEL", "max_params": "5M for --space resnet_budget"}
    )
    ten = ("model", "space", "data", "budget", "trials", "solver", "slots", "study", "demo", "plan")
    examples = (
        "hpo-search --model senet18 --demo",
        "hpo-search --model nomad_senet18 --space recipe --trials 200",
        "hpo-search --model resnet_budget --space resnet_budget --max-params 5M",
    )

    model: PathText = _search(
        "Model to tune: saved by a study, built in (nomad_senet18), or a base network.", ...
    )
    space: str = _search(
        "What to tune. training: optimizer, learning rate, weight decay and batch size; training_wide: the "
        "same on logarithmic scales and from 16 images, label smoothing and augmentation; recipe: which "
        "ingredients, and how strong; resnet_budget: the architecture of that network.",
        DEFAULT_SPACE,
        suggest=_SPACES,
    )

    @property
    def named_space(self) -> str:
        return self.space

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        of_space: Mapping[str, Mapping[str, Any]] = {
            DEFAULT_SPACE: {"budget": "60steps", "ingredient": FEW_STEPS},  # of up to 512 images each
            "training_wide": {"budget": "60steps"},
            "recipe": {"batch_size": 64},
            "resnet_budget": {
                "base_width": 1.0,
                "batch_size": 64,
                "max_params": "200000",
                "ingredient": FEW_STEPS,
            },
        }
        return _demo(given, {"trials": 16, **of_space.get(given.get("space", DEFAULT_SPACE), {})})


SEARCHES: Mapping[str, type[SearchOptions]] = {"nas": NasOptions, "hpo": HpoOptions}


def resolve_options(kind: str, subject: str, given: Mapping[str, Any]) -> SearchOptions:
    """Return the options of a search of `kind` that starts from `subject`. Raise BadOption."""
    model = SEARCHES[kind]
    return model.resolve({**given, model.subject_option: subject})


def check(holds: bool, otherwise: str) -> None:
    """Raise BadOption with the message `otherwise` unless `holds`."""
    if not holds:
        raise BadOption(otherwise)


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


def name_data(dataset: str) -> str:
    """Return a data set's part of a study's name: of a user's own the last folder's or file's name.

    `folder:/data/my photos` is `my-photos`, `npz:/data/plates.npz` is `plates`, `cifar10` is itself.
    """
    kind, _, path = dataset.partition(":")
    if kind not in PATHS or not path:
        return kind
    last = Path(path).stem if kind == "npz" else Path(path).name
    safe = re.sub(r"[^\w+-]+", "-", last).encode()[:_LONGEST_DATA].decode(errors="ignore")
    return safe.strip("+-") or kind


def name_data_by_kind(dataset: str) -> str:
    """Return the same as earlier versions had it, `folder` of every folder, to find their studies."""
    return dataset.partition(":")[0]


def _parsed(parse: Callable[[_Asked], _Parsed], given: _Asked, name: str) -> _Parsed:
    try:
        return parse(given)
    except ValueError as error:
        raise BadOption(f"--{name}: {error}") from error


def _one_of(values: Sequence[str]) -> str:
    return " or ".join(values) if len(values) == 2 else f"one of {', '.join(values)}"

"""Options of nas-search and hpo-search."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, ValidationInfo, create_model, field_validator, model_validator

import search_spaces
from orchestrator import pruners, solvers
from orchestrator.spec import demo
from orchestrator.spec.command_options import BadOption, LocalPath, PathText, check, one_of, option, parsed
from orchestrator.spec.names import check_name, name_script, name_space
from orchestrator.spec.objective import Objective, parse_objective, unused_options
from orchestrator.spec.option_types import Confidence, Fraction, Share, WrongStops
from orchestrator.spec.options import SCRIPT, SCRIPT_TRAINER, RunOptions
from results.metrics import METRICS, Metric
from results.scores import ACCURACY, SCORES, score_of

PROGRAMS = ("onnx", "pt2")  # formats of a network that --latency-command can measure
DEFAULT_SPACE = "training"  # of hpo-search
_SPACES = [name for name in search_spaces.names() if name != "scaling"]  # of which nas-search is
# options about what a script does by itself
_NOT_OF_SCRIPTS = {
    *("image_size", "fit", "train_images", "draw", "folds", "clock", "ingredient", "precision", "recipe"),
    *("optimizer", "learning_rate", "weight_decay", "batch_size", "base_depth", "base_width"),
    *("base_resolution", "data_folder", "keep_weights", "demo"),
}
# options about scores in [0, 1]
_OF_SHARES = {"metric", "validation_images", "pruner", "early_stop", "audit"}
_search, _training, _results = (
    partial(option, panel) for panel in ("The search", "Each training", "The results")
)
_place = partial(option, "The machine", set_by="owner")


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
    known = one_of(tuple(SCORES))
    if name == "loss":
        raise BadOption(f"cannot be sought: a verdict is about a share of images; give {known}")
    check(name.isidentifier(), f"is unknown; give {known}, or what a script of your own reports")
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

    minimise: str | None = _search(
        f"What to minimise: {', '.join(METRICS)}; hpo-search of a script: any number that it reports.",
        suggest=METRICS,
    )
    maximise: str | None = _search(
        "Give accuracy to maximise it, without a baseline. Together with --minimise: the Pareto front. "
        "hpo-search of a script: also any number that it reports.",
        suggest=("accuracy",),
    )
    metric: Annotated[str, AfterValidator(_check_metric)] = _search(
        f"What counts as accuracy: {', '.join(SCORES)}; hpo-search of a script: any number in [0, 1] that it "
        "reports. It is sought, required and shown in the accuracy's place.",
        ACCURACY.name,
        suggest=SCORES,
    )
    min_accuracy: Fraction | None = _search(
        "Required accuracy (or other --metric), a fraction such as .87. No baseline is trained then."
    )
    trials: int = _search("Most trainings, baseline and repeats included.", 100, ge=1, le=1_000_000)
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
    check_trainer: bool = option(
        "The study",
        "Check in about ten seconds whether --trainer does what a search needs, then exit.",
        False,
        set_by="command",
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
    def only_shows(self) -> bool:
        return self.plan or self.check_trainer

    @property
    def script_config(self) -> str | None:
        """How `--trainer` gets its settings, if it is a script that knows nothing of the protocol."""
        return None

    @property
    def is_script(self) -> bool:
        return self.script_config is not None

    @property
    def named_space(self) -> str:
        """The named space that is searched, or the default one for a search of multipliers."""
        return DEFAULT_SPACE

    @property
    def aim(self) -> Objective:
        """The objective, with the limits that the user gave. Raise BadOption."""
        amounts = {metric.name: getattr(self, metric.field) for metric in METRICS.values()}
        try:
            found = parse_objective(self.kind, self.minimise, self.maximise, amounts, self.is_script)
        except ValueError as error:
            raise BadOption(str(error)) from error
        return found if found.sought.is_number else replace(found, sought=score_of(self.metric))

    @property
    def latency_words(self) -> tuple[str, ...]:
        """The words of the command that measures latency; empty without one. Raise BadOption."""
        words = tuple(parsed(shlex.split, self.latency_command or "", "latency-command"))
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
            goal = f"the goal '{self.aim}'" if self.aim.sought.is_number else "--maximise accuracy alone"
            remedy = "omit it" if self.aim.sought.is_number else "omit it, or add --minimise macs"
            raise BadOption(f"--min-accuracy {bound} has no effect with {goal}; {remedy}")
        for name in ("pruner", "solver"):
            value, known = getattr(self, name), self.option(name).choices
            check(value in (None, *known), f"--{name} {value} is unknown; give {one_of(known)}")
        check(
            self.metric in SCORES or self.is_script,
            f"--metric {self.metric} is unknown; give {one_of(tuple(SCORES))}",
        )
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


class NasOptions(SearchOptions):
    """Find the smallest variant of a base network that is still as accurate.

    The search varies depth, width and resolution multipliers. It minimises MACs subject to a required
    accuracy, unless --minimise and --maximise say otherwise. To resume, run the same command again.
    """

    program = "nas-search"
    kind = "nas"
    subject_option = "base"
    demo_of_0_1 = demo.OF_0_1
    shown = MappingProxyType({"minimise": "macs", "save_as": "nomad_BASE"})
    ten = ("base", "data", "budget", "trials", "solver", "tolerance", "slots", "study", "demo", "plan")
    examples = (
        "nas-search --base senet18 --demo",
        "nas-search --base senet18 --data folder:PHOTOS --budget 5m --plan",
        "nas-search --base resnet18 --min-accuracy .9 --trials 200",
    )

    base: PathText = _search(
        "Base network: built in (docs/networks.md) or a saved model; on the command line also "
        "FILE.py:FUNCTION.",
        ...,
    )
    depth: str = _search("Depth multipliers to search, LOW:HIGH.", ".5:1.5")
    width: str = _search("Width multipliers to search, LOW:HIGH.", ".25:1.25")
    resolution: str = _search("Resolution multipliers to search, LOW:HIGH.", ".5:1.5")

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        own = {"budget": "400steps", "tolerance": 0.02, "batch_size": 64, "ingredient": demo.FEW_STEPS}
        return demo.preset_search(given, own)


class HpoOptions(SearchOptions):
    """Tune how a network is trained: its hyperparameters, its recipe or its architecture (--space).

    The search maximises accuracy, unless --minimise and --maximise say otherwise. To resume, run the same
    command again.
    """

    program = "hpo-search"
    kind = "hpo"
    subject_option = "model"
    demo_of_0_1 = MappingProxyType(demo.OF_0_1 | {"base_width": 1.0})
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
        "Model to tune: saved by a study, a base network (senet18), or a variant of the NOMAD paper's.", ...
    )
    config_as: Literal["words", "file", "environment"] = _place(
        "How a script as --trainer gets its settings: as --name=value words, as the path of a JSON file, "
        "or as environment variables (docs/scripts.md).",
        "words",
    )
    space: PathText = _search(
        "What to tune. training: optimizer, learning rate, weight decay and batch size; training_wide: the "
        "same on logarithmic scales and from 16 images, label smoothing and augmentation; recipe: which "
        "ingredients, and how strong; resnet_budget: the architecture of that network. On the command "
        "line also a FILE.toml of variables, or FILE.py:FUNCTION (docs/scripts.md).",
        DEFAULT_SPACE,
        suggest=_SPACES,
    )

    @property
    def named_space(self) -> str:
        return name_space(self.space)

    @property
    def script_config(self) -> str | None:
        return self.config_as if self.data == SCRIPT else None

    @property
    def trainer_command(self) -> tuple[str, ...]:
        command = super().trainer_command
        if not self.is_script:
            return command
        sought = self.aim.sought
        score = (f"--score={sought.name}", *(["--any-number"] if sought.is_number else []))
        own = ("--config-as", self.config_as, *score, "--folder", os.getcwd())
        return (*SCRIPT_TRAINER, *own, f"--script={shlex.join(command)}")

    @model_validator(mode="after")
    def _check_script(self) -> Self:
        if self.is_script:
            known = [metric.name for metric in self.aim.metrics if metric.known != "after"]
            check(self.trainer is not None, "--data script needs --trainer with the script; add it")
            check(
                search_spaces.is_path(self.space),
                "without --model, --trainer is a script; give --space FILE.toml with its variables "
                "(docs/scripts.md), or --model for a trainer that knows the protocol",
            )
            check(
                not known,
                f"a script does not tell its {' and '.join(known)}; omit what limits or minimises it, or "
                "report a number of its own under another name",
            )
        return self

    def idle(self, given: Mapping[str, Any]) -> Iterator[str]:
        yield from super().idle(given)
        if self.is_script:
            for name in _NOT_OF_SCRIPTS & set(given):
                yield f"{self.flag(name)} has no effect with a script, which has its own rules; omit it"
            is_off = {"pruner": self.pruner == "none", "early_stop": self.early_stop in (None, 0)}
            for name in _OF_SHARES & {name for name in given if not is_off.get(name)}:
                if self.aim.sought.is_number:
                    yield f"{self.flag(name)} is about a share in [0, 1], not '{self.aim}'; omit it"
        elif "config_as" in given:
            yield "--config-as has no effect with a trainer that knows the protocol; omit it"

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        if given.get("trainer") and not given.get("model"):
            return {"model": parsed(name_script, given["trainer"], "trainer"), "data": SCRIPT}
        of_space: Mapping[str, Mapping[str, Any]] = {
            DEFAULT_SPACE: {"budget": "60steps", "ingredient": demo.FEW_STEPS},  # of up to 512 images each
            "training_wide": {"budget": "60steps"},
            "recipe": {"batch_size": 64},
            "resnet_budget": {
                "base_width": 1.0,
                "batch_size": 64,
                "max_params": "200000",
                "ingredient": demo.FEW_STEPS,
            },
        }
        own = of_space.get(given.get("space", DEFAULT_SPACE), {})
        return demo.preset_search(given, {"trials": 16, **own})


SEARCHES: Mapping[str, type[SearchOptions]] = {"nas": NasOptions, "hpo": HpoOptions}


def resolve_options(kind: str, subject: str, given: Mapping[str, Any]) -> SearchOptions:
    """Return the options of a search of `kind` that starts from `subject`. Raise BadOption."""
    model = SEARCHES[kind]
    return model.resolve({**given, model.subject_option: subject})

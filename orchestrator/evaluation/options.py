"""The options of nas-evaluate: which networks, with which recipes, how many runs, and what is measured.

`runs` is the folder for the trials' files, as for the searches; `runs_of_each` is the number of runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.spec.options import BadOption, RunOptions, check, fill_defaults, out_of_range, refuse
from orchestrator.spec.recipe_overrides import Ingredients

RECIPE = "nomad_haet"  # of a network that was not saved by a study
VOTES = ("soft", "hard")

# NOMAD paper, Table 1: the classifiers tried as a baseline network
TABLE_1 = (
    *("senet18", "resnet18", "preactresnet18", "resnet50", "resnext29_2x64d", "regnetx_200mf"),
    *("mobilenetv1", "mobilenetv2", "efficientnet_b0", "shufflenetv2", "shufflenetg2", "googlenet"),
    *("densenet121", "dpn92", "simpledla", "vgg19", "resnet110"),
)
LISTS = {"table1": TABLE_1}


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(RunOptions):
    """Options of an evaluation, before the machine, the data and the trainer are asked."""

    model: tuple[str, ...] = ()
    models: str | None = None  # the name of a list of networks
    recipe: tuple[str, ...] = ()  # none: each model's own
    runs_of_each: int = 10
    ensemble: int | None = None  # members of each training's ensemble
    vote: str | None = None
    no_test: bool = False
    csv: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check(bool(self.names), "nothing to evaluate; give --model NAME, --models table1 or --demo")
        check(self.runs_of_each >= 1, f"--runs {self.runs_of_each} is too few; give at least 1")
        check(
            not self.no_test or self.validation_images > 0,
            "--no-test without validation images measures nothing; give --validation-images 1000",
        )
        members = self.ensemble
        check(members is None or members >= 2, f"--ensemble {members} is too few; give at least 2")
        check(self.vote in (None, *VOTES), f"--vote {self.vote} is unknown; give soft or hard")
        check(self.vote is None or members is not None, f"--vote {self.vote} is for --ensemble; give both")
        check(
            members is None or "ensemble" not in super().ingredients,
            "--ensemble and --ingredient ensemble both set the ensemble; give one of them",
        )
        folder = self.csv.parent if self.csv else Path()
        check(
            folder.is_dir(),
            f"the folder of --csv {self.csv} does not exist; create {folder}, or give another",
        )
        refuse(out_of_range(vars(self)))

    @property
    def names(self) -> tuple[str, ...]:
        """The models, each once."""
        return tuple(dict.fromkeys((*self.model, *_listed(self.models))))

    @property
    def ingredients(self) -> Ingredients:
        if self.ensemble is None:
            return super().ingredients
        settings = {"members": self.ensemble, "vote": self.vote or VOTES[0]}
        return {**super().ingredients, "ensemble": settings}

    def study_name(self, models: Sequence[str], dataset: str) -> str:
        """Return the study's name: the user's, or one made from the models and the data set."""
        if self.study:
            return self.study
        named = self.models if self.models and not self.model else _joined(models)
        ensemble = f"ensemble{self.ensemble}" if self.ensemble else ""
        where = "demo" if self.demo else dataset.partition(":")[0]
        return "-".join(filter(None, ("evaluation", named, _joined(self.recipe), ensemble, where)))


def resolve_options(given: Mapping[str, Any]) -> EvaluationOptions:
    """Return the options: the user's values, then the demo's defaults, then the usual ones.

    There are no validation images by default, except with --no-test. Raise BadOption for a value out of
    range.
    """
    listed = {"model": ()} if given.get("models") else {}  # a list of models replaces the demo's
    validated = {"validation_images": 500} if given.get("no_test") else {}
    asked = fill_defaults(EvaluationOptions, given, {**_DEMO, **listed, **validated})
    usual: dict[str, Any] = {} if given.get("no_test") else {"validation_images": 0}
    return EvaluationOptions(**{**usual, **asked})


_DEMO: Mapping[str, Any] = {
    "model": ("senet18", "resnet18"),
    "base_width": 0.25,
    "data": "digits",
    "train_images": 2000,
    "budget": "8s",
    "batch_size": 64,
    "runs_of_each": 2,
}


def _listed(name: str | None) -> tuple[str, ...]:
    if name is not None and name not in LISTS:
        raise BadOption(f"--models {name} is not a list of models; there is {', '.join(LISTS)}")
    return LISTS[name] if name else ()


def _joined(names: Sequence[str]) -> str:
    """Return one or two names as they are, of more the first and how many follow."""
    return "+".join(names) if len(names) <= 2 else f"{names[0]}+{len(names) - 1}"

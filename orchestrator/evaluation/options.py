"""Options of commands that train models run by run: which networks and recipes, how many runs.

The field `runs` is the folder for the trials' files, as of the searches; users call it `folder`. The number
of runs, which users call `runs`, is the field `runs_of_each`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import model_validator

from orchestrator.spec.command_options import BadOption, LocalPath, option
from orchestrator.spec.demo import fit_folds
from orchestrator.spec.names import name_data
from orchestrator.spec.option_types import Images, parse_images
from orchestrator.spec.options import RunOptions
from orchestrator.spec.recipe_overrides import Ingredients
from orchestrator.spec.trial_config import TrialTemplate
from orchestrator.trainer_client import NetworkInfo

if TYPE_CHECKING:
    from orchestrator.spec.base_model import BaseModel  # sqlalchemy: --help answers without it

RECIPE = "nomad_haet"  # of a network that was not saved by a study

# NOMAD paper, Table 1: the classifiers tried as a baseline network
TABLE_1 = (
    *("senet18", "resnet18", "preactresnet18", "resnet50", "resnext29_2x64d", "regnetx_200mf"),
    *("mobilenetv1", "mobilenetv2", "efficientnet_b0", "shufflenetv2", "shufflenetg2", "googlenet"),
    *("densenet121", "dpn92", "simpledla", "vgg19", "resnet110"),
)
LISTS = {"table1": TABLE_1}
_evaluation = partial(option, "The evaluation")
_DEMO: Mapping[str, Any] = {
    "model": ("senet18", "resnet18"),
    "base_width": 0.25,
    "data": "digits",
    "train_images": "2000",
    "budget": "250steps",
    "batch_size": 64,
    "runs_of_each": 2,
}


class RepeatedOptions(RunOptions):
    """What nas-evaluate and nas-train share: every model is trained with every recipe, run by run."""

    kind: ClassVar[str]  # of the study, and the purpose of its trials
    flags = MappingProxyType({**RunOptions.flags, "runs_of_each": "--runs", "runs": "--folder"})

    runs_of_each: int = _evaluation("Runs (trainings) of each model with each recipe.", 10, ge=1)
    no_test: bool = _evaluation("Rank by validation accuracy and leave the test images unread.", False)

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The models, each once."""

    @property
    @abstractmethod
    def recipes(self) -> tuple[str, ...]:
        """The recipes that the user gives for every model; none: each model's own."""

    @abstractmethod
    def study_name(
        self, models: Sequence[str], dataset: str, data_name: Callable[[str], str] = name_data
    ) -> str:
        """Return the study's name: the user's, or one made from the models and the data set."""

    def with_model_defaults(self, subjects: Sequence[BaseModel]) -> Self:
        """Return the options with the defaults that depend on the models."""
        return self

    def lines(self, training: TrialTemplate, described: NetworkInfo) -> Iterator[str]:
        """Yield what else a user is to know of the trainings before they start."""
        yield from ()

    def check_can_train(self, training: TrialTemplate) -> None:
        """Raise BadOption or StoreError if a recorded study cannot train any more."""
        return

    @abstractmethod
    def complete(
        self,
        training: TrialTemplate,
        describe: Callable[[TrialTemplate], NetworkInfo],
        recorded: Mapping[str, Any] | None,
    ) -> tuple[Self, TrialTemplate]:
        """Return the options and a training with what depends on the data: what measures it, on which images.

        The numbers of images in `training` are placeholders; `describe` asks the trainer.
        recorded: the training settings of the study that resumes, if any
        Raise BadOption, or as `describe`.
        """


class EvaluationOptions(RepeatedOptions):
    """Train models several times each, on disjoint images, and rank them by test accuracy.

    Every model is trained with every recipe. Run r of each pair sees the same images, so that pairs can be
    compared. To resume, run the same command again; a larger --runs adds to the study.
    """

    program = "nas-evaluate"
    kind = "evaluation"
    ten = ("model", "models", "recipe", "runs", "data", "budget", "slots", "study", "demo", "plan")
    examples = (
        "nas-evaluate --model senet18 --model resnet18 --demo",
        "nas-evaluate --models table1 --runs 3 --plan",
        "nas-evaluate --model senet18 --model nomad_senet18 --budget 10m",
    )

    model: tuple[str, ...] = _evaluation("Model to evaluate, as for hpo-search --model. Repeatable.", ())
    models: str | None = _evaluation(
        "A predefined list of networks. table1: the candidates for a baseline in the NOMAD paper.",
        suggest=LISTS,
    )
    recipe: tuple[str, ...] = _evaluation(
        "Recipe to train every model with. Repeatable. [each model's own]", ()
    )
    ensemble: int | None = _evaluation("Train an ensemble of this many members in every run.", ge=2)
    vote: Literal["soft", "hard"] | None = _evaluation("How an ensemble votes: soft or hard. [soft]")
    csv: LocalPath | None = _evaluation("Also write the ranking to this CSV file.", set_by="owner")
    train_images: Images | None = option(
        "Each training",
        "Training images per run: a number, a share (.05 or 5%), or all that its part of them has. [5000]",
    )
    validation_images: Images | None = option(
        "Each training",
        "Validation images per run: a number, a share, or all that training leaves. "
        "[0, or 1000 with --no-test]",
    )
    folds: int | None = option(
        "Each training",
        "Split the training set into so many folds: run r validates on fold r and trains on the others. "
        "0: runs have no image in common. [0]",
        ge=0,
    )

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        no_test, demo = given.get("no_test"), given.get("demo")
        listed = {"model": ()} if given.get("models") else {}  # a list of models replaces the demo's
        validated = {"validation_images": "500" if demo else "1000"} if no_test else {}
        return fit_folds({**(_DEMO if demo else {}), **listed, **validated}, given)

    @model_validator(mode="after")
    def _check_evaluation(self) -> Self:
        if self.models not in (None, *LISTS):
            raise BadOption(f"--models {self.models} is not a list of models; there is {', '.join(LISTS)}")
        if not self.names:
            raise BadOption("nothing to evaluate; give --model NAME, --models table1 or --demo")
        if self.no_test and self.validation_images and parse_images(self.validation_images) == 0:
            raise BadOption(
                "--no-test without validation images measures nothing; give --validation-images 1000"
            )
        if self.vote and not self.ensemble:
            raise BadOption(f"--vote {self.vote} is for --ensemble; give both")
        if self.ensemble and "ensemble" in super().ingredients:
            raise BadOption("--ensemble and --ingredient ensemble both set the ensemble; give one of them")
        if self.csv and not self.csv.parent.is_dir():
            remedy = f"create {self.csv.parent}, or give another"
            raise BadOption(f"the folder of --csv {self.csv} does not exist; {remedy}")
        return self

    @property
    def usual_images(self) -> tuple[int, int]:
        return 5000, 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.model, *(LISTS[self.models] if self.models else ()))))

    @property
    def recipes(self) -> tuple[str, ...]:
        return self.recipe

    @property
    def ingredients(self) -> Ingredients:
        if self.ensemble is None:
            return super().ingredients
        return {**super().ingredients, "ensemble": {"members": self.ensemble, "vote": self.vote or "soft"}}

    def study_name(
        self, models: Sequence[str], dataset: str, data_name: Callable[[str], str] = name_data
    ) -> str:
        if self.study:
            return self.study
        named = self.models if self.models and not self.model else _joined(models)
        ensemble = f"ensemble{self.ensemble}" if self.ensemble else ""
        where = "demo" if self.demo else data_name(dataset)
        return "-".join(filter(None, (self.kind, named, _joined(self.recipe), ensemble, where)))

    def complete(
        self,
        training: TrialTemplate,
        describe: Callable[[TrialTemplate], NetworkInfo],
        recorded: Mapping[str, Any] | None,
    ) -> tuple[Self, TrialTemplate]:
        is_validated = int(self.no_test)  # a placeholder, too
        disjoint, test = not self.folds, not self.no_test
        return self, replace(training, disjoint=disjoint, test=test, validation_images=is_validated)


def _joined(names: Sequence[str]) -> str:
    """Return one or two names as they are, of more the first and how many follow."""
    return "+".join(names) if len(names) <= 2 else f"{names[0]}+{len(names) - 1}"

"""The options of nas-train: which model, from which weights, on which images."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from pydantic import model_validator

from orchestrator.evaluation.options import RepeatedOptions
from orchestrator.spec.command_options import PathText, check, option
from orchestrator.spec.demo import FEW_STEPS, fit_folds
from orchestrator.spec.images import Pool
from orchestrator.spec.names import check_name, name_data
from orchestrator.spec.option_types import Images, KeepWeights
from orchestrator.spec.trial_config import TrialTemplate
from orchestrator.trainer_client import NetworkInfo

if TYPE_CHECKING:
    from orchestrator.spec.base_model import BaseModel  # sqlalchemy: --help answers without it

_final, _images = partial(option, "The final training"), partial(option, "Each training")
_DEMO: Mapping[str, Any] = {"data": "digits", "budget": "250steps"}
_DEMO_OF_A_NETWORK: Mapping[str, Any] = {"base_width": 0.25, "batch_size": 64, "ingredient": FEW_STEPS}


class TrainingOptions(RepeatedOptions):
    """Train one model for good, on all images, and keep its weights.

    A saved model is trained with the recipe and the hyperparameters with which it was found. To resume, run
    the same command again; a larger --runs adds to the study.
    """

    program = "nas-train"
    kind = "training"
    shown = MappingProxyType({"save_as": "trained_MODEL"})
    ten = ("model", "init", "new_head", "data", "budget", "runs", "slots", "study", "demo", "plan")
    examples = (
        "nas-train --model senet18 --demo",
        "nas-train --model tuned_nomad_senet18 --budget 1h --runs 3",
        "nas-train --model trained_senet18 --init trained_senet18 --data folder:PHOTOS --new-head",
    )

    model: PathText = _final(
        "Model to train: saved by a study, a base network (senet18), or a variant of the NOMAD paper's.", ...
    )
    init: PathText | None = _final(
        "Start from the weights of this model: the name of a saved one, STUDY:NUMBER for a trial, or a "
        "folder with a model.json. [weights drawn by the seed]"
    )
    new_head: bool = _final("Draw the last layer anew, for other classes than those of --init.", False)
    runs_of_each: int = _final("Runs (trainings), which differ by their seeds.", 1, ge=1)
    no_test: bool = _final("Measure on validation images, and leave the test images unread.", False)
    save_as: str | None = _final("Name to save the trained network under.")
    recipe: str | None = _images("Training recipe. [as for the saved model, or nomad_haet]")
    train_images: Images | None = _images(
        "Training images: a number, a share (.8 or 80%), or all that validation leaves. [all]"
    )
    validation_images: Images | None = _images(
        "Validation images to draw from the training set: a number, a share, or all that training leaves. "
        "[0, or a fifth where no test images are read]"
    )
    folds: int | None = _images(
        "Split the training set into so many folds: run r validates on fold r and trains on the others. [0]",
        ge=0,
    )
    keep_weights: KeepWeights | None = option(
        "The results",
        "Whose weights to keep: all (of every run), best or confirmed (of the first run), or none. [all]",
    )

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return fit_folds({**_DEMO, **_DEMO_OF_A_NETWORK} if given.get("demo") else {}, given)

    @model_validator(mode="after")
    def _check_training(self) -> Self:
        check_name(self.save_as)
        check(
            self.save_as != self.model.partition("@")[0],
            f"--save-as {self.save_as} would hide the model it was made from; give another name",
        )
        check(self.init is not None or not self.new_head, "--new-head has no effect without --init; omit it")
        return self

    @property
    def kept_weights(self) -> KeepWeights:
        return self.keep_weights or "all"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.model,)

    @property
    def recipes(self) -> tuple[str, ...]:
        return (self.recipe,) if self.recipe else ()

    def study_name(
        self, models: Sequence[str], dataset: str, data_name: Callable[[str], str] = name_data
    ) -> str:
        if self.study:
            return self.study
        start = ["from", re.sub(r"[^\w+-]+", "-", Path(self.init).name).strip("-")] if self.init else []
        return "-".join([self.kind, *models, *start, "demo" if self.demo else data_name(dataset)])

    def with_model_defaults(self, subjects: Sequence[BaseModel]) -> Self:
        """A demo makes a base network narrower; a saved model is trained as it was found."""
        if not self.demo or not any(subject.study for subject in subjects):
            return self
        usual = {
            name: type(self).model_fields[name].default
            for name, preset in _DEMO_OF_A_NETWORK.items()
            if getattr(self, name) == preset
        }
        return self.model_copy(update=usual)

    def complete(
        self,
        training: TrialTemplate,
        describe: Callable[[TrialTemplate], NetworkInfo],
        recorded: Mapping[str, Any] | None,
    ) -> tuple[Self, TrialTemplate]:
        """Train on all images but those that measure: the test images, or a fifth where there are none."""
        told = describe(training)
        is_tested = bool(told.dataset.get("test_images")) and not self.no_test
        given = self.train_images, self.validation_images
        pool = Pool.of(told, self.draw)
        pool = replace(pool, draw=pool.draw or ("proportional" if pool.sizes else None))
        usual = "all", "0" if is_tested else str(pool.fifth)
        train, validation = (
            (None, None) if self.folds else (one or other for one, other in zip(given, usual, strict=True))
        )
        request = self.model_copy(update={"train_images": train, "validation_images": validation})
        return request, replace(training, test=is_tested, init=self._find_init(told, recorded))

    def _find_init(self, told: NetworkInfo, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the key `init` of trial.json; empty without --init. Raise BadOption or StoreError."""
        if self.init is None:
            return {}
        check(
            told.initialises,
            "the trainer cannot start from weights (docs/trainer-protocol.md, `init`); omit --init",
        )
        from orchestrator.training import initial_weights  # sqlalchemy, too

        began = (recorded or {}).get("init", {}).get("sha256")
        try:
            found = initial_weights.find(self.database, self.init, began)
        except initial_weights.WeightsGone:
            found = {"sha256": began}  # enough for a study whose trainings have all ended
        return {**found, "new_head": self.new_head}

    def check_can_train(self, training: TrialTemplate) -> None:
        if self.init is not None and "folder" not in training.init:
            from orchestrator.training import initial_weights

            initial_weights.find(self.database, self.init, training.init["sha256"])

    def lines(self, training: TrialTemplate, described: NetworkInfo) -> Iterator[str]:
        if not training.test and not self.no_test:
            yield "  the data have no test images, so validation images are held out to measure the accuracy"
        if self.init:
            place = training.init.get("folder", "which are gone")
            yield f"weights: training starts from those of {self.init} ({place})"
            yield "  images are sized and normalised as these data are"
        if described.fresh:
            yield f"  drawn anew for {described.classes} classes: {', '.join(described.fresh)}"

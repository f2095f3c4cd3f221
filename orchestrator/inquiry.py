"""Turn a request into the question that a study puts on record, and what it takes to ask it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator import environment, solvers
from orchestrator.catalogue import Subject
from orchestrator.describe import Describer, Description
from orchestrator.formulation import BestHyperparameters, Formulation, SmallestNetwork
from orchestrator.options import BadOption, Contract, Request
from orchestrator.problem import Problem
from orchestrator.training import Training, TrialBudget
from search_spaces import Space, scaling
from search_spaces import training as training_space

_ONE = {"depth": 1.0, "width": 1.0, "resolution": 1.0}


@dataclass(frozen=True)
class Inquiry:
    """A request with everything known that the machine, the data and the trainer had to tell."""

    request: Request
    subject: Subject
    scale: Mapping[str, float]  # the base network's, or the model's
    training: Training
    base: Description  # the base network or the model, untrained
    space: Space
    study_name: str
    save_as: str

    def question(self, block: int) -> dict[str, Any]:
        """Return what a resume must repeat to the letter."""
        asked: dict[str, Any] = {
            "subject": self.subject.name,
            "scale": dict(self.scale),
            "training": self.training.question() | {"fingerprint": self.base.dataset.get("fingerprint")},
            "space": self.space.to_json(),
            "solver": {
                "name": self.request.solver,
                "block": block,
                "versions": environment.versions(solvers.load(self.request.solver).REQUIRES),
            },
            "trainer": self.request.trainer or "built in",
        }
        if self.base.source:
            asked["source"] = self.base.source
        if self.request.kind == "nas":
            asked["baseline"] = {
                "replicates": 0 if self.request.min_accuracy is not None else self.request.replicates,
                "min_accuracy": self.request.min_accuracy,
                "tolerance": self.request.tolerance,
            }
        return asked

    @property
    def replicates(self) -> int:
        """Trainings of the base network before the search."""
        given = self.request.kind == "hpo" or self.request.min_accuracy is not None
        return 0 if given else self.request.replicates

    @property
    def confirmations(self) -> int:
        return self.request.confirm if self.request.kind == "nas" else 0

    def formulation(self, min_accuracy: float | None) -> Formulation:
        if self.request.kind == "hpo":
            return BestHyperparameters(self.scale)
        assert min_accuracy is not None
        base_macs = self.base.macs if self.replicates else None
        return SmallestNetwork(self.space, self.scale, min_accuracy, base_macs)

    def problem(self, formulation: Formulation, block: int) -> Problem:
        return Problem(
            formulation.space, formulation.start, block, formulation.constraints, self.request.seed
        )


def inquire(request: Request, subject: Subject, device: str, describer: Describer) -> Inquiry:
    """Return the inquiry of `request` for trials on `device`. Raise BadOption or Refused."""
    _check_solver(request)
    scale = {name: subject.scale[name] * request.scale[name] for name in _ONE}
    dataset = absolute(request.data or subject.dataset or "cifar10")
    training = training_of(request, subject, request.recipe, dataset, device)
    whole = describer.describe(training.config(_ONE, {}))
    base = describer.describe(training.config(scale, {}))
    data = training.dataset.partition(":")[0]
    suffix = "demo" if request.demo else data
    kind = request.kind
    saved_as = f"nomad_{subject.name}" if kind == "nas" else f"tuned_{subject.name}"
    return Inquiry(
        request,
        subject,
        scale,
        training,
        base,
        _space(request, whole, scale),
        request.study or f"{kind}-{subject.name}-{suffix}",
        request.save_as or saved_as,
    )


def training_of(request: Contract, subject: Subject, recipe: str, dataset: str, device: str) -> Training:
    """Return how `subject` is trained: as the user settled, and as it was saved where the user did not.

    The ingredients it was saved with are those of its own recipe, and left behind with it.
    """
    ingredients = subject.ingredients if recipe == subject.recipe else {}
    image_size = request.image_size
    if image_size is None and dataset == subject.dataset:
        image_size = subject.image_size
    return Training(
        network=subject.network,
        dataset=dataset,
        train_images=request.train_images,
        validation_images=request.validation_images,
        budget=TrialBudget.parse(request.budget),
        seed=request.seed,
        recipe=recipe,
        hyperparameters={**subject.hyperparameters, **request.hyperparameters},
        ingredients={**ingredients, **request.ingredients},
        image_size=image_size,
        clock=request.clock,
        precision=request.precision,
        device=device,
        data_folder=str(request.data_folder.resolve()) if request.data_folder else None,
    )


def absolute(dataset: str) -> str:
    """Return a data set's name with its path, if it has one, made absolute: trials run elsewhere."""
    kind, colon, path = dataset.partition(":")
    if kind in ("npz", "folder") and colon:
        return f"{kind}:{os.path.abspath(os.path.expanduser(path))}"
    return dataset


def _space(request: Request, whole: Description, scale: Mapping[str, float]) -> Space:
    if request.kind == "hpo":
        return _hyperparameter_space(request)
    ranges = {name: _range(request, name, whole) for name in _ONE}
    try:
        return scaling.space(whole.blocks, whole.channels, whole.image_size, base=scale, **ranges)
    except ValueError as error:
        raise BadOption(str(error)) from error


def _range(request: Request, name: str, whole: Description) -> tuple[float, float]:
    """Return the multipliers to search, 1 alone for a scale that the network lacks; raise BadOption."""
    asked = getattr(request, name)
    span = _span(asked, name)
    if name in whole.scales or span == (1.0, 1.0):
        return span
    if asked != getattr(Request, name):
        raise BadOption(f"--{name} {asked}: {whole.network} has no {name} to scale; leave --{name} out")
    return 1.0, 1.0


def _span(text: str, name: str) -> tuple[float, float]:
    """Read LOW:HIGH, or one number for both; raise BadOption."""
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not 0 < numbers[0] <= numbers[-1]:
        raise BadOption(f"--{name} {text!r} is no range of multipliers; write it like .5:1.25")
    return numbers[0], numbers[-1]


def _hyperparameter_space(request: Request) -> Space:
    """Return the hyperparameters' space; raise BadOption where a batch would be more than all images."""
    space = training_space.space()
    batch_size = next(variable for variable in space.variables if variable.name == "batch_size")
    largest = int(batch_size.from_number(batch_size.upper))
    if request.train_images < largest:
        raise BadOption(
            f"--train-images {request.train_images} do not fill the search's largest batch; "
            f"give at least {largest}"
        )
    return space


def _check_solver(request: Request) -> None:
    try:
        solvers.load(request.solver)
    except (ValueError, RuntimeError) as error:
        raise BadOption(str(error)) from error

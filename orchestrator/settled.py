"""How a subject is trained and its study is called: the user's options on top of what it was saved with."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from orchestrator.catalogue import Subject
from orchestrator.describe import Description
from orchestrator.ingredients import changed
from orchestrator.options import Contract, Request, check
from orchestrator.training import Training, TrialBudget


def training_of(request: Contract, subject: Subject, recipe: str, dataset: str, device: str) -> Training:
    """Return how `subject` is trained: as the user settled, and as it was saved where the user did not.

    The ingredients it was saved with are those of its own recipe, and left behind with it. Raise BadOption
    for a batch of more than all images.
    """
    ingredients = subject.ingredients if recipe == subject.recipe else {}
    is_same = dataset == subject.dataset
    image_size = subject.image_size if request.image_size is None and is_same else request.image_size
    hyperparameters = _hyperparameters(request, subject)
    batch = hyperparameters.get("batch_size", 0)
    check(
        batch <= request.train_images,
        f"a batch of {batch} images is more than --train-images {request.train_images}; "
        "give a smaller --batch-size",
    )
    return Training(
        network=subject.network,
        dataset=dataset,
        train_images=request.train_images,
        validation_images=request.validation_images,
        budget=TrialBudget.parse(request.budget),
        seed=request.seed,
        recipe=recipe,
        hyperparameters=hyperparameters,
        ingredients=changed(ingredients, request.ingredients),
        architecture=subject.architecture,
        image_size=image_size,
        fit=subject.fit if request.fit is None and is_same else request.fit,
        clock=request.clock,
        precision=request.precision,
        device=device,
        data_folder=str(request.data_folder.resolve()) if request.data_folder else None,
    )


def fitted(training: Training, described: Description) -> Training:
    """Return the training with the way in which its images become squares, None where all are squares."""
    return replace(training, fit=described.dataset.get("fit", training.fit))


def _hyperparameters(request: Contract, subject: Subject) -> dict[str, Any]:
    """Return what the user fixed on top of what `subject` was saved with.

    A learning rate is one optimizer's: it is left behind where the user gives another optimizer.
    """
    kept, given = dict(subject.hyperparameters), request.hyperparameters
    if given.get("optimizer", kept.get("optimizer")) != kept.get("optimizer"):
        kept.pop("learning_rate", None)
    return {**kept, **given}


def study_name(request: Request, subject: Subject) -> str:
    """Return what the study is called: as the user says, or else by what it asks."""
    if request.study:
        return request.study
    searched = [request.space] if request.space != Request.space else []
    data = "demo" if request.demo else dataset_of(request, subject).partition(":")[0]
    return "-".join([request.kind, subject.name, *searched, data])


def dataset_of(request: Contract, subject: Subject) -> str:
    """Return the data set: the one asked for, or the one that the subject was found with."""
    return absolute(request.data or subject.dataset or "cifar10")


def absolute(dataset: str) -> str:
    """Return a data set's name with its path, if it has one, made absolute: trials run elsewhere."""
    kind, colon, path = dataset.partition(":")
    if kind in ("npz", "folder") and colon:
        return f"{kind}:{os.path.abspath(os.path.expanduser(path))}"
    return dataset

"""How a subject is trained and its study is called: the user's options on top of what it was saved with."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.spec import base_model
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.options import BadOption, RunOptions, SearchOptions, check
from orchestrator.spec.recipe_overrides import changed
from orchestrator.spec.trial_config import TrialBudget, TrialTemplate
from orchestrator.trainer_client import NetworkInfo
from results.db.store import Store

# what of a study's question its model settles, with the options that were given
_OF_THE_MODEL = (
    *("network", "scale", "image_size", "recipe", "hyperparameters", "ingredients", "architecture"),
)


def subject_of(request: SearchOptions, store: Store | None) -> BaseModel:
    """Return what the user names: of models of one name that which the study on record began with, if any.

    Another study may have saved a model of that name since, or the same study a better one.
    """
    found = base_model.candidates(request.subject, store)
    for subject in found if store else ():
        recorded = store.study(study_name(request, subject)) if store else None
        if recorded is None or recorded.question.get("subject") != subject.name:
            continue
        question = recorded.question
        asked = {**question.get("training", {}), "scale": question.get("scale")}
        if kept := recorded_subject(found, {**asked, "model": question.get("model")}, request):
            return kept
    return found[0]


def recorded_subject(
    found: Sequence[BaseModel], asked: Mapping[str, Any], request: RunOptions, recipe: str | None = None
) -> BaseModel | None:
    """Return which of `found` a study on record began with, as it was then; None where it is none of them.

    asked: what the study asks of it: the training, its scale, and the model where one is on record.
    """
    kept = asked.get("model")
    if kept and (len(found) > 1 or found[0].study in (None, kept["study"])):
        return base_model.as_kept(kept, found[0])
    return None if kept else next((one for one in found if _fits(one, asked, request, recipe)), None)


def _fits(subject: BaseModel, asked: Mapping[str, Any], request: RunOptions, recipe: str | None) -> bool:
    """Whether the study would ask the same of this one, with the options given now."""
    recipe = recipe or usual_recipe(request, subject)
    try:
        training = training_of(request, subject, recipe, dataset_of(request, subject), "cpu")
    except BadOption:
        return False
    own = json.loads(json.dumps({**training.question(), "scale": scale_of(request, subject)}))
    return all(own.get(name) == asked.get(name) for name in _OF_THE_MODEL)


def usual_recipe(request: RunOptions, subject: BaseModel) -> str:
    """Return the recipe that the user gives, the one it was saved with, or the usual one."""
    given: str | None = getattr(request, "recipe", None)
    return given or subject.recipe or TrialTemplate.recipe


def scale_of(request: RunOptions, subject: BaseModel) -> dict[str, float]:
    """Return the scale of the network that a study begins with."""
    return {name: factor * subject.scale[name] for name, factor in request.scale.items()}


def training_of(
    request: RunOptions, subject: BaseModel, recipe: str, dataset: str, device: str
) -> TrialTemplate:
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
    return TrialTemplate(
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


def fitted(training: TrialTemplate, described: NetworkInfo) -> TrialTemplate:
    """Return the training with the way in which its images become squares, None where all are squares."""
    return replace(training, fit=described.dataset.get("fit", training.fit))


def _hyperparameters(request: RunOptions, subject: BaseModel) -> dict[str, Any]:
    """Return what the user fixed on top of what `subject` was saved with.

    A learning rate is one optimizer's: it is left behind where the user gives another optimizer.
    """
    kept, given = dict(subject.hyperparameters), request.hyperparameters
    if given.get("optimizer", kept.get("optimizer")) != kept.get("optimizer"):
        kept.pop("learning_rate", None)
    return {**kept, **given}


def study_name(request: SearchOptions, subject: BaseModel) -> str:
    """Return what the study is called: as the user says, or else by what it asks."""
    if request.study:
        return request.study
    searched = [request.space] if request.space != SearchOptions.space else []
    data = "demo" if request.demo else dataset_of(request, subject).partition(":")[0]
    return "-".join([request.kind, subject.name, *searched, data])


def dataset_of(request: RunOptions, subject: BaseModel) -> str:
    """Return the data set: the one asked for, or the one that the subject was found with."""
    return absolute(request.data or subject.dataset or "cifar10")


def absolute(dataset: str) -> str:
    """Return a data set's name with its path, if it has one, made absolute: trials run elsewhere."""
    kind, colon, path = dataset.partition(":")
    if kind in ("npz", "folder") and colon:
        return f"{kind}:{os.path.abspath(os.path.expanduser(path))}"
    return dataset

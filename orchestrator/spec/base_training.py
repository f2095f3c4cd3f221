"""How a named model is trained: with the user's options, and else as it was saved or recorded."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.spec import base_model, images
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.command_options import BadOption, check
from orchestrator.spec.names import PATHS
from orchestrator.spec.options import SCRIPT, RunOptions
from orchestrator.spec.recipe_overrides import merge_ingredients
from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate
from orchestrator.trainer_client import NetworkDescriber, NetworkInfo, TrainerRefused
from results.db.store import Store


def dataset_of(request: RunOptions, subject: BaseModel) -> str:
    """Return the data set: the user's, or that on which the model was found."""
    return absolute(request.data or subject.dataset or "cifar10")


def absolute(dataset: str) -> str:
    """Return a data set's name with an absolute path, if it has a path: trials run in other folders."""
    kind, _, path = dataset.partition(":")
    return f"{kind}:{os.path.abspath(os.path.expanduser(path))}" if has_path(dataset) else dataset


def has_path(dataset: str) -> bool:
    """Whether a data set is named by where it is on this machine."""
    kind, colon, _ = dataset.partition(":")
    return kind in PATHS and bool(colon)


def recipe_of(request: RunOptions, subject: BaseModel) -> str:
    """Return the recipe: the user's, that with which the model was saved, or the default."""
    given: str | None = getattr(request, "recipe", None)
    return given or subject.recipe or TrialTemplate.recipe


def scale_of(request: RunOptions, subject: BaseModel) -> dict[str, float]:
    """Return the scale of the network with which a study starts."""
    return {name: factor * subject.scale[name] for name, factor in request.scale.items()}


def training_of(
    request: RunOptions, subject: BaseModel, recipe: str, dataset: str, device: str
) -> TrialTemplate:
    """Return how `subject` is trained: with the user's options, and else as it was saved.

    The ingredients with which it was saved belong to its recipe, and are dropped if the user gives another
    one. The numbers of images are placeholders until the data set is known (`images.with_images`).
    Raise BadOption for a model that a script trains.
    """
    settings = ", ".join(f"{name} {value}" for name, value in subject.hyperparameters.items())
    check(
        subject.dataset != SCRIPT or request.data == SCRIPT,
        f"the model {subject.name} is what the study {subject.study} found for a script ({settings}), and "
        "only that script can train it; give another model",
    )
    ingredients = subject.ingredients if recipe == subject.recipe else {}
    is_same = dataset == subject.dataset
    image_size = subject.image_size if request.image_size is None and is_same else request.image_size
    return TrialTemplate(
        network=subject.network,
        dataset=dataset,
        train_images=1,
        validation_images=1,
        budget=TrialBudget.parse(request.budget),
        seed=request.seed,
        recipe=recipe,
        hyperparameters=_hyperparameters(request, subject),
        ingredients=merge_ingredients(ingredients, request.ingredients),
        architecture=subject.architecture,
        image_size=image_size,
        fit=subject.fit if request.fit is None and is_same else request.fit,
        clock=request.clock,
        precision=request.precision,
        device=device,
        data_folder=str(request.data_folder.resolve()) if request.data_folder else None,
    )


def _hyperparameters(request: RunOptions, subject: BaseModel) -> dict[str, Any]:
    """Return the hyperparameters: those with which `subject` was saved, overridden by the user's.

    A learning rate belongs to its optimizer: it is dropped if the user gives another optimizer.
    """
    kept, given = dict(subject.hyperparameters), request.hyperparameters
    if given.get("optimizer", kept.get("optimizer")) != kept.get("optimizer"):
        kept.pop("learning_rate", None)
    return {**kept, **given}


def recorded_training(store: Store | None, name: str) -> Mapping[str, Any] | None:
    """Return how a recorded study trains; None for a new one, and for one that is asked anew."""
    recorded = store.study(name) if store else None
    if store is None or recorded is None or not store.has_result(recorded.id):
        return None
    training: Mapping[str, Any] = recorded.question.get("training", {})
    return training


def describe_data(
    training: TrialTemplate,
    scale: Mapping[str, float],
    request: RunOptions,
    trainer_client: NetworkDescriber,
    subject: BaseModel,
    recorded: Mapping[str, Any] | None,
    parts: int = 1,
) -> tuple[TrialTemplate, NetworkInfo]:
    """Return the training with what depends on its data and on the trainer, and its network.

    These are the size, the numbers and the fit of its images, and the versions of the trainer's rules.

    recorded, parts: see `images.with_images`. Raise BadOption or TrainerRefused.
    """
    told = trainer_client.describe(training.config(Choices(scale)))
    training = replace(training, image_size=_image_size(training, told, subject, recorded))
    training = images.with_images(training, request, told, recorded, parts)
    training = replace(training, versions=_versions(training, told, subject, recorded))
    try:
        base = trainer_client.describe(training.config(Choices(scale), replicate=parts - 1))
    except TrainerRefused as error:
        if training.folds or not request.usual_images:  # then `with_images` has checked the draw
            raise
        pool = images.Pool.of(told, training.draw, parts)
        remedies = pool.remedies(training.train_images, training.validation_images, training.test)
        raise TrainerRefused(f"{error}; give {remedies}") from error
    check(
        base.keeps_weights or request.keep_weights in (None, "none"),
        f"--keep-weights {request.keep_weights} needs a trainer that keeps weights, which this one "
        "does not tell (keeps_weights in docs/trainer-protocol.md); omit it",
    )
    return replace(training, fit=base.dataset.get("fit", training.fit)), base


def _image_size(
    training: TrialTemplate, told: NetworkInfo, subject: BaseModel, recorded: Mapping[str, Any] | None
) -> int | None:
    """Return the image size: the given one, a recorded study's own, or that which follows from the images.

    A model that an older version saved has none, which is the trainer's default, and keeps it on its images.
    """
    if training.image_size is not None or recorded is not None:
        return training.image_size or (recorded or {}).get("image_size")
    is_as_found = subject.study is not None and subject.dataset == training.dataset
    return None if is_as_found else images.default_size(told)


def _versions(
    training: TrialTemplate, told: NetworkInfo, subject: BaseModel, recorded: Mapping[str, Any] | None
) -> dict[str, int]:
    """Return the versions of the trainer's rules: a recorded study's own, else the newest ones.

    A saved model is trained by the version of its recipe, unless the user gives another recipe. A trainer is
    asked only for versions that it tells.
    """
    asked = dict(told.versions)
    if subject.recipe_version is not None and training.recipe == subject.recipe:
        asked["recipes"] = subject.recipe_version
    if recorded is not None:
        asked = dict(recorded.get("versions", {}))
    return {name: version for name, version in asked.items() if name in told.versions}


# the part of a study's settings that its model determines, together with the given options
_OF_THE_MODEL = (
    *("network", "scale", "image_size", "recipe", "hyperparameters", "ingredients", "architecture"),
)


def recorded_subject(
    found: Sequence[BaseModel], asked: Mapping[str, Any], request: RunOptions, recipe: str | None = None
) -> BaseModel | None:
    """Return that of `found` with which a recorded study started, as it was then; None if it is not there.

    asked: the recorded training settings, scale and, in newer studies, model
    """
    kept = asked.get("model")
    if kept and (len(found) > 1 or found[0].study in (None, kept["study"])):
        return base_model.as_kept(kept, found[0])
    return None if kept else next((one for one in found if _fits(one, asked, request, recipe)), None)


def _fits(subject: BaseModel, asked: Mapping[str, Any], request: RunOptions, recipe: str | None) -> bool:
    """Whether this model, with the options given now, has the recorded settings."""
    recipe = recipe or recipe_of(request, subject)
    try:
        training = training_of(request, subject, recipe, dataset_of(request, subject), "cpu")
    except BadOption:
        return False
    own = json.loads(json.dumps({**training.question(), "scale": scale_of(request, subject)}))
    if own["image_size"] is None:
        own["image_size"] = asked.get("image_size")  # which followed from the images
    return all(own.get(name) == asked.get(name) for name in _OF_THE_MODEL)

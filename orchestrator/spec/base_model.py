"""Named networks from which a search starts: saved by a study, built in, or a network of the trainer."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.spec.command_options import check
from orchestrator.spec.recipe_overrides import Ingredients
from results.db.store import Store
from results.db.tables import Model, Study

_WHOLE = {"depth": 1.0, "width": 1.0, "resolution": 1.0}


@dataclass(frozen=True)
class BaseModel:
    """A base network and its scale, and where they come from."""

    name: str
    network: str  # its name in the trainer
    scale: Mapping[str, float]
    origin: str  # for people: which one this is
    dataset: str | None = None
    image_size: int | None = None
    fit: str | None = None  # how images become squares
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    recipe: str | None = None  # that a saved model was found with
    ingredients: Ingredients = field(default_factory=dict)
    architecture: Mapping[str, Any] = field(default_factory=dict)  # the network's own settings
    recipe_version: int | None = None  # that a saved model was found with; None: it is not a saved one
    study: str | None = None  # that saved it
    others: tuple[str, ...] = ()  # studies that have saved a model of its name too

    def to_json(self) -> dict[str, Any]:
        """Return a saved model as recorded by a study that starts from it; the model may change later."""
        kept = {name: getattr(self, name) for name in _KEPT}
        newer = {} if self.recipe_version == _FIRST_RECIPES else {"recipe_version": self.recipe_version}
        return kept | newer


_FIRST_RECIPES = 1  # the version of models and studies that name none
_KEPT = (
    *("study", "network", "scale", "dataset", "image_size", "fit"),
    *("hyperparameters", "recipe", "ingredients", "architecture"),
)


# NOMAD paper, section 4.1: the variants its searches found
BUILT_IN = {
    "nomad_senet18": BaseModel(
        "nomad_senet18",
        "senet18",
        _WHOLE | {"width": 0.67},
        "built in: the NOMAD paper's variant, senet18 at width 0.67 (section 4.1)",
    ),
    "nomad_resnet18": BaseModel(
        "nomad_resnet18",
        "resnet18",
        _WHOLE | {"width": 0.73, "resolution": 1.18},
        "built in: the NOMAD paper's variant, resnet18 at width 0.73 and resolution 1.18 (section 4.1)",
    ),
}


def find(name: str, store: Store | None) -> BaseModel:
    """Return the model `name`: the first of its `candidates`."""
    return candidates(name, store)[0]


def candidates(name: str, store: Store | None) -> list[BaseModel]:
    """Return what `name` may mean: models saved under it, the newest first, then a built-in one or a network.

    `NAME@STUDY` is the model that the study saved, or the network NAME as the study started with it.
    `path/to/file.py:function` is a network of your own. Only the trainer can tell whether it knows a network.
    Raise BadOption for a `NAME@STUDY` that is neither.
    """
    if (own := _own(name)) is not None:
        return [own]
    plain, _, study = name.partition("@")
    saved = _saved(plain, store)
    if study:
        theirs = [subject for subject in saved if subject.study == study]
        theirs += _start_of(study, plain, store)
        check(
            bool(theirs),
            f"the study {study} has neither saved a model {plain} nor started with one; there are: "
            f"{', '.join(_similar(plain, study, saved, store)) or 'none'}",
        )
        return theirs
    return [*saved, BUILT_IN.get(name) or BaseModel(name, name, _WHOLE, f"the network {name}")]


def add_saved_models(refusal: str, subject: BaseModel, store: Store | None) -> str:
    """Return a trainer's refusal; of a name that no network has, with the models that studies saved."""
    if subject.study or repr(subject.network) not in refusal:
        return refusal
    saved = sorted({model.name for model in store.models()}) if store else []
    return f"{refusal}; saved models: {', '.join(saved)}" if saved else refusal


def as_kept(kept: Mapping[str, Any], found: BaseModel) -> BaseModel:
    """Return the model with which a recorded study started, even if it was replaced or deleted since."""
    others = {*found.others, *((found.study,) if found.study else ())} - {kept["study"]}
    at = _scale_text(kept["scale"])
    origin = f"from the study {kept['study']}: {kept['network']} at {at}, as when this study started"
    known = {"recipe_version": _FIRST_RECIPES, **kept}
    return BaseModel(found.name, origin=origin, others=tuple(sorted(others)), **known)


def same_name_lines(subject: BaseModel, kind: str) -> Iterator[str]:
    """Yield a line about which model is used, if several studies have saved one under this name."""
    if subject.study and subject.others:
        name, others = subject.name, " and ".join(subject.others)
        option = "--base" if kind == "nas" else "--model"
        yield (
            f"model {name}: from the study {subject.study}; {others} saved one too, for which give "
            f"{option} {name}@{subject.others[0]}"
        )


def _own(name: str) -> BaseModel | None:
    """Return the network defined in a file, with an absolute path, because trials run in other folders.

    Studies and models are named after the file, and after the function if it is not `build`.
    """
    path, _, function = name.rpartition(":")
    if not path.endswith(".py"):
        return None
    stem = re.sub(r"\W", "_", Path(path).stem)
    short = stem if function == "build" else f"{stem}_{function}"
    absolute = os.path.abspath(os.path.expanduser(path))
    return BaseModel(short, f"{absolute}:{function}", _WHOLE, f"the network that {name} builds")


def _saved(name: str, store: Store | None) -> list[BaseModel]:
    models = [model for model in store.models() if model.name == name] if store else []
    if store is None or not models:
        return []
    by_id = {study.id: study for study in store.studies()}
    studies = [by_id[model.study_id] for model in models]
    names = [study.name for study in studies]
    return [
        _of_model(model, study, tuple(other for other in names if other != study.name))
        for model, study in zip(models, studies, strict=True)
    ]


def _similar(name: str, study_name: str, saved: list[BaseModel], store: Store | None) -> list[str]:
    """What may be meant by a `NAME@STUDY` that is nothing: the name in other studies, what that study has."""
    study = store.study(study_name) if store else None
    found = [f"{name}@{subject.study}" for subject in saved]
    if store is not None and study is not None:
        names = [study.question.get("subject"), *(m.name for m in store.models() if m.study_id == study.id)]
        found += [f"{other}@{study_name}" for other in names if other]
    return found


def _start_of(study_name: str, name: str, store: Store | None) -> list[BaseModel]:
    """The network `name` with which a search started, at its scale and as it trained it; none for another."""
    study = store.study(study_name) if store else None
    if store is None or study is None or study.question.get("subject") != name:
        return []
    training, scale = study.question["training"], study.question["scale"]
    # a question tells data by their content; where they lie is known of the models that the study saved
    places = [model.dataset for model in store.models() if model.study_id == study.id]
    dataset = places[0] if places else training["dataset"]
    start = BaseModel(
        name,
        training["network"],
        scale,
        f"with which the study {study.name} started: {training['network']} at {_scale_text(scale)}",
        dataset,
        training.get("image_size"),
        training.get("fit") or _first_fit(dataset),
        training["hyperparameters"],
        training["recipe"],
        training.get("ingredients", {}),
        training.get("architecture", {}),
        training.get("versions", {}).get("recipes", _FIRST_RECIPES),
        study.name,
    )
    return [start]


def _scale_text(scale: Mapping[str, float]) -> str:
    return ", ".join(f"{part} {factor:g}" for part, factor in scale.items())


def _first_fit(dataset: str | None) -> str | None:
    """How the images of a user's own became squares before there was a choice. Of others it is not asked."""
    return "squash" if (dataset or "").startswith(("npz:", "folder:")) else None


def _of_model(model: Model, study: Study, others: tuple[str, ...]) -> BaseModel:
    scale = {"depth": model.depth, "width": model.width, "resolution": model.resolution}
    training = study.question.get("training", {})
    return BaseModel(
        model.name,
        model.network,
        scale,
        f"saved by the study {study.name} ({model.status}): {model.network} at {_scale_text(scale)}",
        model.dataset,
        model.image_size,
        training.get("fit") or _first_fit(model.dataset),
        model.hyperparameters or {},
        model.recipe,
        model.ingredients or {},
        model.architecture or {},
        training.get("versions", {}).get("recipes", _FIRST_RECIPES),
        study.name,
        others,
    )

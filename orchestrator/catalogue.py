"""Named networks that a search starts from: saved by a study, built in, or plain."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.ingredients import Ingredients
from results.models import Model
from results.store import Store

_WHOLE = {"depth": 1.0, "width": 1.0, "resolution": 1.0}


@dataclass(frozen=True)
class Subject:
    """A base network and its scale, and where they come from."""

    name: str
    network: str  # as the trainer names it
    scale: Mapping[str, float]
    origin: str  # for people: which one was taken
    dataset: str | None = None
    image_size: int | None = None
    fit: str | None = None  # how images become squares
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    recipe: str | None = None  # that a saved model was found with
    ingredients: Ingredients = field(default_factory=dict)
    architecture: Mapping[str, Any] = field(default_factory=dict)  # the network's own settings


# NOMAD paper, section 4.1: the variants its searches found
BUILT_IN = {
    "nomad_senet18": Subject(
        "nomad_senet18",
        "senet18",
        _WHOLE | {"width": 0.67},
        "built in: the NOMAD paper's variant, senet18 at width 0.67 (section 4.1)",
    ),
    "nomad_resnet18": Subject(
        "nomad_resnet18",
        "resnet18",
        _WHOLE | {"width": 0.73, "resolution": 1.18},
        "built in: the NOMAD paper's variant, resnet18 at width 0.73 and resolution 1.18 (section 4.1)",
    ),
}


def find(name: str, store: Store | None) -> Subject:
    """Return the model `name`: the newest saved one, else a built-in one, else the network so called.

    Whether the trainer knows that network is for the trainer to say. `path/to/file.py:function`
    is a network of the user's own.
    """
    saved = store.model(name) if store is not None else None
    if saved is not None:
        return _saved(saved, store)
    return BUILT_IN.get(name) or _own(name) or Subject(name, name, _WHOLE, f"the network {name}")


def _own(name: str) -> Subject | None:
    """Return the network of a file, its path made absolute, for trials run elsewhere.

    Studies and models are named by the file, and by the function if it is not `build`.
    """
    path, _, function = name.rpartition(":")
    if not path.endswith(".py"):
        return None
    stem = re.sub(r"\W", "_", Path(path).stem)
    short = stem if function == "build" else f"{stem}_{function}"
    absolute = os.path.abspath(os.path.expanduser(path))
    return Subject(short, f"{absolute}:{function}", _WHOLE, f"the network that {name} builds")


def _saved(model: Model, store: Store | None) -> Subject:
    study = next((s for s in store.studies() if s.id == model.study_id), None) if store else None
    scale = {"depth": model.depth, "width": model.width, "resolution": model.resolution}
    return Subject(
        model.name,
        model.network,
        scale,
        f"saved by the study {study.name if study else '?'} ({model.status}): {model.network} at depth "
        f"{model.depth:g}, width {model.width:g}, resolution {model.resolution:g}",
        model.dataset,
        model.image_size,
        study.question.get("training", {}).get("fit") if study else None,
        model.hyperparameters or {},
        model.recipe,
        model.ingredients or {},
        model.architecture or {},
    )

"""The techniques of a training: one file each, named in a recipe or a configuration by its file's name.

A file holds one class, named as the file is (`label_smoothing.py`: `LabelSmoothing`): a frozen
dataclass of one of the kinds in `_kinds.py`, whose fields are its strengths, with usual ones as
defaults. Listing the names imports nothing, so it needs no torch.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, cast

from trainer.errors import InvalidConfig
from trainer.ingredients._kinds import (
    Average,
    BatchImages,
    BatchInputs,
    Draw,
    EpochImages,
    Gradients,
    Groups,
    Ingredient,
    Loss,
    Meta,
    Mixing,
    OuterLoop,
    Perturbation,
    Policy,
    Resolution,
    Schedule,
    Surgery,
    Targets,
    Views,
    Vote,
)

__all__ = [
    "Average",
    "BatchImages",
    "BatchInputs",
    "Draw",
    "EpochImages",
    "Gradients",
    "Groups",
    "Ingredient",
    "Loss",
    "Meta",
    "Mixing",
    "OuterLoop",
    "Perturbation",
    "Policy",
    "Resolution",
    "Schedule",
    "Surgery",
    "Targets",
    "Views",
    "Vote",
    "build",
    "changed",
    "load",
    "name_of",
    "names",
]


def names() -> list[str]:
    """The ingredients that can be named."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str) -> type[Ingredient]:
    """The class of an ingredient in `names()`."""
    module = importlib.import_module(f"{__name__}.{name}")
    return cast("type[Ingredient]", getattr(module, "".join(word.capitalize() for word in name.split("_"))))


def name_of(ingredient: Ingredient) -> str:
    """The name it goes by: its file's."""
    return type(ingredient).__module__.rpartition(".")[2]


def build(name: str, strengths: Mapping[str, Any]) -> Ingredient:
    """An ingredient of the given strengths, and its usual ones for the rest. Raises Refused."""
    _check(name, strengths)
    return _born(name, lambda: load(name)(**strengths))


def changed(ingredient: Ingredient, strengths: Mapping[str, Any]) -> Ingredient:
    """The same ingredient with other strengths, those that are given. Raises Refused."""
    name = name_of(ingredient)
    _check(name, strengths)
    return _born(name, lambda: dataclasses.replace(ingredient, **strengths))


def _born(name: str, make: Any) -> Ingredient:
    try:
        return cast(Ingredient, make())
    except ValueError as error:
        raise InvalidConfig(f"ingredient {name}: {error}") from error


def _check(name: str, strengths: Mapping[str, Any]) -> None:
    """Hold keys and types of values against the class's fields, all of them numbers, truths or texts."""
    fields = {field.name: field for field in dataclasses.fields(load(name))}
    for key, value in strengths.items():
        if key not in fields:
            known = ", ".join(fields) or "none"
            raise InvalidConfig(f"ingredient {name} has no strength {key!r}; known: {known}")
        wanted = type(fields[key].default)
        fits = isinstance(value, int | float) if wanted is float else isinstance(value, wanted)
        if not fits or (isinstance(value, bool) and wanted is not bool):
            raise InvalidConfig(f"ingredient {name}: {key} must be {_WORDS[wanted]}, not {value!r}")


_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}

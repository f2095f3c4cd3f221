"""What `--demo` stands for: small enough for minutes on two CPU cores, large enough to show what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

_DEMO: Mapping[str, Any] = {
    "data": "digits",
    "train_images": 4000,
    "validation_images": 1000,
    "budget": "15s",
    "trials": 12,
    "tolerance": 0.01,
}
_NAS_DEMO: Mapping[str, Any] = {"base_width": 0.25, "batch_size": 64}  # small: many steps in few seconds

_SPACE_DEMO: Mapping[str, Mapping[str, Any]] = {
    "recipe": {"batch_size": 64},
    "resnet_budget": {"batch_size": 64, "max_params": 200_000},
}


def values(kind: str, space: str) -> dict[str, Any]:
    """Return the options of a demo of this kind of search, where the user gives no others."""
    return {**_DEMO, **(_NAS_DEMO if kind == "nas" else _SPACE_DEMO.get(space, {}))}


def filled(kind: type[Any], given: Mapping[str, Any], demo: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `kind` that `given` answers, or else `demo` where a demo is asked for.

    An option that may be given several times and was not is an empty list: it counts as not given.
    """
    known = {field.name for field in fields(kind)}
    asked = {name: value for name, value in given.items() if name in known and value not in (None, [], ())}
    several = {name: tuple(value) for name, value in asked.items() if isinstance(value, list)}
    return {**(demo if given.get("demo") else {}), **asked, **several}

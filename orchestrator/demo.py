"""What `--demo` stands for: small enough for minutes on two CPU cores, large enough to show what is found."""

from __future__ import annotations

from collections.abc import Mapping
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

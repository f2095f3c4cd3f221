"""Changes that a user makes to a recipe's ingredients: which are removed, and which have other settings.

Only the trainer knows their names and settings. None removes an ingredient; an empty object adds it with its
default settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Settings = Mapping[str, Any] | None
Ingredients = Mapping[str, Settings]


def parse(given: Iterable[str]) -> Ingredients:
    """Read `NAME={"setting": value}`, `NAME=null` and `NAME` alone; raise ValueError for anything else."""
    settled: dict[str, Settings] = {}
    for text in given:
        name, _, settings = text.partition("=")
        if not name.strip():
            raise ValueError(f"{text!r} has no ingredient name; {_FORMS}")
        if name.strip() in settled:
            raise ValueError(f"{name.strip()} is given twice; give it once")
        settled[name.strip()] = _settings(text, settings.strip())
    return settled


def merge_ingredients(ingredients: Ingredients, changes: Ingredients) -> dict[str, Settings]:
    """Return both merged, the changes in their own order after the others.

    The order matters: of ingredients that exclude each other the last one is used.
    """
    kept = {name: settings for name, settings in ingredients.items() if name not in changes}
    return {**kept, **changes}


_FORMS = """write it like sam='{"rho": 0.1}', mixup=null (to remove it) or ema (default settings)"""


def _settings(text: str, settings: str) -> Settings:
    try:
        value = json.loads(settings or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{text!r} has settings that are not JSON; {_FORMS}") from error
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{text!r} has settings that are not a JSON object; {_FORMS}")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")

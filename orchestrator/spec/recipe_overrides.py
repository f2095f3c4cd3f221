"""The ingredients of a recipe that a user settles: which are left out, and which have other settings.

Their names and settings are the trainer's to know. None leaves an ingredient out, which an empty
object does not: that one is put in with its usual settings.
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
            raise ValueError(f"{text!r} names no ingredient; {_FORMS}")
        if name.strip() in settled:
            raise ValueError(f"{name.strip()} is given twice; give it once")
        settled[name.strip()] = _settings(text, settings.strip())
    return settled


def changed(ingredients: Ingredients, changes: Ingredients) -> dict[str, Settings]:
    """Return both, the changes in their own order behind the others.

    The order counts: of the ingredients of which there can be one alone, the last one is it.
    """
    kept = {name: settings for name, settings in ingredients.items() if name not in changes}
    return {**kept, **changes}


_FORMS = """write it like sam='{"rho": 0.1}', mixup=null (left out) or ema (its usual settings)"""


def _settings(text: str, settings: str) -> Settings:
    try:
        value = json.loads(settings or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{text!r} has settings that are no JSON; {_FORMS}") from error
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{text!r} has settings that are no JSON object; {_FORMS}")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")

"""Say in few words what a search settled beside scales and hyperparameters: ingredients, an architecture.

What a recipe leaves out is counted and not named: a search over recipes settles every ingredient of a
list, most of which no recipe had.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd


def settings(row: Mapping[str, Any]) -> str:
    """A model's architecture and ingredients: `layers 3, blocks 4-6-8; sam 0.1, ema 0.02, 2 left out`."""
    parts = (_architecture(_object(row["architecture"])), _ingredients(_object(row["ingredients"])))
    return "; ".join(part for part in parts if part) or "-"


def changes(point: Any, start: Any) -> str:
    """What a point has other than the start's: `policy none, rho 0.12`."""
    from_start = _object(start)
    return _named((name, v) for name, v in _object(point).items() if v != from_start.get(name)) or "-"


def _architecture(chosen: Mapping[str, Any]) -> str:
    return _named(chosen.items())


def _ingredients(changed: Mapping[str, Any]) -> str:
    put_in = [
        " ".join([name, *map(_short, settings.values())])
        for name, settings in changed.items()
        if settings is not None
    ]
    left_out = len(changed) - len(put_in)
    return ", ".join([*put_in, *([f"{left_out} left out"] if left_out else [])])


def _named(values: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in values)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(_short, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _object(value: Any) -> Mapping[str, Any]:
    """The JSON object, an empty one where the database has none."""
    return value if isinstance(value, Mapping) else {}


def percent(fraction: float | None, digits: int = 2) -> str:
    """0.9012 as 90.12%."""
    return "-" if fraction is None or pd.isna(fraction) else f"{fraction:.{digits}%}"


def half(row: Mapping[str, Any]) -> float:
    """Half the interval of an accuracy; NaN where there is none."""
    low, high = row["accuracy_low"], row["accuracy_high"]
    return float("nan") if pd.isna(low) else float(high - low) / 2


def millions(count: float | None) -> str:
    """1234567 as 1.23M."""
    return "-" if count is None or pd.isna(count) else f"{count / 1e6:.2f}M"


def number(value: float | None, digits: int) -> str:
    """A number with so many digits after its point."""
    return "-" if value is None or pd.isna(value) else f"{value:.{digits}f}"


def moment(at: Any) -> str:
    """A time in UTC, to the minute."""
    return "-" if at is None or pd.isna(at) else f"{at:%Y-%m-%d %H:%M}"

"""The variables of a study as Optuna's distributions, with values as they are recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def distributions(space: Iterable[Mapping[str, Any]]) -> dict[str, BaseDistribution]:
    """Return each variable's distribution by name. `space`: that of a study's settings."""
    return {variable["name"]: _distribution(variable) for variable in space}


def _distribution(variable: Mapping[str, Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if variable["kind"] == "choice":
        return CategoricalDistribution(_told_apart(variable["values"]))
    if variable["kind"] == "integer":
        return IntDistribution(variable["low"], variable["high"], log=variable["log"])
    low, high = variable["low"], variable["high"]
    return FloatDistribution(low, high, log=variable["log"], step=_step(low, high, variable["granularity"]))


def value(kind: BaseDistribution, given: Any) -> Any:
    """Return a recorded value as the distribution has it: `True` as text if `1` is a choice too.

    Raises ValueError for one that it does not contain.
    """
    from optuna.distributions import CategoricalDistribution

    if isinstance(kind, CategoricalDistribution) and given not in kind.choices:
        given = repr(given)
    if not kind._contains(kind.to_internal_repr(given)):
        raise ValueError(f"{given!r} is not in {kind}")
    return given


def _told_apart(values: list[Any]) -> list[Any]:
    """Return values as texts if two of them are equal: to Optuna True, 1 and 1.0 are one choice."""
    return values if len(set(values)) == len(values) else [repr(value) for value in values]


def _step(low: float, high: float, granularity: float | None) -> float | None:
    """Return the grid's step; None if Optuna, which computes in decimals, would drop the last value."""
    if granularity is None:
        return None
    whole = (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(granularity)) == 0
    return granularity if whole else None

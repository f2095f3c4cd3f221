"""Parametrisations of which the default run takes a few; the rest is slow, for `make test-slow`."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

SLOW = pytest.mark.slow


def rest_slow(cases: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """The cases, those marked slow that are not among the quick ones; all quick ones must be there."""
    cases = list(cases)
    missing = [one for one in quick if one not in cases]
    assert not missing, f"no such cases: {missing}"
    return [pytest.param(*_values(one), marks=[] if one in quick else SLOW) for one in cases]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)

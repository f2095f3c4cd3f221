"""What searches spent is held against the size that all of them arrived at."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from results.db.tables import Trial
from tests.benchmarks._running import ROOT


@pytest.fixture
def savings() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
        yield importlib.import_module("savings")


def test_arms_are_compared_at_the_largest_size_that_any_ended_with(savings: ModuleType) -> None:
    def spent(arm: str, path: list[tuple[float, int]]) -> object:
        return savings.Spent(arm, 0, 10.0, 0, 0, 0, path, 0.1)

    quick, slow = spent("all on", [(5.0, 300), (8.0, 100)]), spent("none of them", [(7.0, 200)])
    rows = savings.compared([quick, slow, spent("no keys", [])])
    until = [row["trainings until all arms' M MACs"] for row in rows]
    assert until == [8.0, 7.0, None]
    assert {row["all arms' M MACs"] for row in rows} == {200 / 1e6}


def test_a_network_counts_from_the_last_training_that_confirmed_it(
    savings: ModuleType,
) -> None:
    def row(number: int, purpose: str, **columns: object) -> Trial:
        return Trial(number=number, purpose=purpose, state="completed", **columns)

    rows = [row(1, "baseline"), row(2, "search", verdict="confirmed", macs=7), row(3, "search")]
    rows += [row(4, "confirmation", of_trial_number=2), row(5, "confirmation", of_trial_number=3)]
    counted = savings._counted("all on", 0, rows, 3600.0)
    assert counted.path == [(4.0, 7)]
    assert (counted.spent, counted.hours) == (5.0, pytest.approx(1.0))

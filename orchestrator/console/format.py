"""Say a point, a trial's end and its numbers in few words, for a display, a log line or a summary.

A point of many variables is told by what it has other than the search's start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.spec.objective import SIZES, NetworkSize, amount_text, number_text
from results.analysis.posterior import Posterior
from results.db.tables import Trial

_FEW = 6  # variables of a point that is told whole
PointValues = Mapping[str, Any]


def point_text(point: PointValues | None, start: PointValues | None = None) -> str:
    """Return a point on one line: `depth 1 width 0.75`; of many variables those unlike the start's."""
    told = point or {}
    if start and len(told) > _FEW:
        told = {name: value for name, value in told.items() if value != start.get(name)}
        return point_text(told) or "the start"
    return " ".join(f"{name} {_short(value)}" for name, value in told.items())


def result_text(row: Trial, start: PointValues | None = None, size: str = "macs") -> str:
    """Return what became of a trial, in words. `size`: which one is told."""
    point = point_text(row.point, start)
    if row.state == "completed":
        accuracy = accuracy_text(measured(row))
        return f"{point}: {size_text(row, size)}, accuracy {accuracy}"
    if row.state == "screened":
        return f"{point}: screened, {row.message}"
    if row.state == "duplicate":
        return f"{point}: the network of trial {row.of_trial_number} again"
    if row.state == "pruned":
        return f"{point}: {pruned_text(row)}"
    return f"{point}: {row.state}, {row.reason}: {row.message}"


def pruned_text(row: Trial) -> str:
    """Return when a trial was stopped and why: `pruned at 40%: expected 61.20%, bound 73.10%`."""
    return f"pruned at {row.stop_progress or 0:.0%}: {row.message}"


def best_text(row: Trial, start: PointValues | None = None, size: str = "macs") -> str:
    """Return which trial leads, and whether it is believed."""
    return (
        f"best so far ({row.verdict or 'provisional'}): trial {row.number}, {result_text(row, start, size)}"
    )


def size_text(network: NetworkSize, size: str) -> str:
    return amount_text(getattr(network, SIZES[size]), size)


def size_number(network: NetworkSize, size: str) -> str:
    return number_text(getattr(network, SIZES[size]), size)


def macs_text(macs: int | None) -> str:
    return "" if macs is None else f"{macs / 1e6:.2f}"


def accuracy_text(accuracy: float | None) -> str:
    return "" if accuracy is None else f"{100 * accuracy:.2f}%"


def measured(row: Trial) -> float | None:
    """Return the accuracy to show of a trial: on validation images, or without those on the test images."""
    return row.test_accuracy if row.val_accuracy is None else row.val_accuracy


def belief_text(belief: Posterior, probability: float | None) -> str:
    """Return an accuracy with its 95% interval, the trainings behind it and what the bound's chances are."""
    spread = 100 * (belief.interval()[1] - belief.mean)
    trainings = "1 training" if belief.trainings == 1 else f"{belief.trainings} trainings"
    chance = "" if probability is None else f", keeps the bound with probability {100 * probability:.1f}%"
    return f"{accuracy_text(belief.mean)} +- {spread:.2f} (95%, {trainings}){chance}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

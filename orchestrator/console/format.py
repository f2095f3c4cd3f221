"""Format a candidate, a trial's outcome and its numbers for the display, a log line or a summary.

A candidate with many variables is shown by the values in which it differs from the start of the search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.spec.formulation import sought_value
from orchestrator.spec.objective import Objective, amount_of
from results.analysis.posterior import Posterior
from results.db.tables import Trial
from results.format import shown_point
from results.scores import ACCURACY, Score

_FEW = 6  # variables of a candidate that is shown in full
PointValues = Mapping[str, Any]


def point_text(point: PointValues | None, config: Mapping[str, Any] | None, start: PointValues | None) -> str:
    """Return a candidate on one line: `depth 1 width 0.75`; of many values those unlike `start`.

    config: the trial.json of its training, whose values are shown
    """
    shown = shown_point(point, config)
    if start and point and len(shown) > _FEW:
        shown = {name: value for name, value in shown.items() if point[name] != start.get(name)}
        if not shown:
            return "the start"
    return " ".join(f"{name} {_short(value)}" for name, value in shown.items())


def short_point_text(point: PointValues | None, config: Mapping[str, Any] | None) -> str:
    """Return a candidate for a narrow column, each name cut to what tells it apart: `d1.25 w1.06 r0.5`."""
    names = list(point or {})

    def cut(name: str) -> str:
        lengths = range(1, len(name) + 1)
        is_own = [sum(other.startswith(name[:length]) for other in names) == 1 for length in lengths]
        return next((name[:length] for length in lengths if is_own[length - 1]), name)

    return " ".join(
        f"{cut(name)}{'=' if isinstance(value, str) else ''}{_short(value)}"
        for name, value in shown_point(point, config).items()
    )


def result_text(row: Trial, start: PointValues | None, aim: Objective) -> str:
    """Return the outcome of a trial on one line. `aim`: tells which size and which score are shown."""
    point = point_text(row.point, row.config, start)
    if row.state == "completed":
        size = "" if row.macs is None else f"{aim.told.text(amount_of(row, aim.told))}, "  # of no script
        return (
            f"{point}: {size}{aim.sought.noun} {accuracy_text(shown_accuracy(row), aim.sought)}{_said(row)}"
        )
    if row.state == "screened":
        return f"{point}: skipped before training, {row.message}"
    if row.state == "duplicate":
        return f"{point}: the same network as trial {row.of_trial_number}"
    if row.state == "pruned":
        return f"{point}: {pruned_text(row)}"
    return f"{point}: {row.state}, {row.reason}: {row.message}"


def _said(row: Trial) -> str:
    """Return what a completed training said of itself, such as that it was stopped at its budget."""
    return f" ({row.message})" if row.message else ""


def pruned_text(row: Trial) -> str:
    """Return when a trial was stopped and why: `stopped early at 40%: expected 61.20%, required 73.10%`."""
    return f"stopped early at {row.stop_progress or 0:.0%}: {row.message}"


def best_text(row: Trial, start: PointValues | None, aim: Objective) -> str:
    """Return the best trial so far, and whether it is confirmed."""
    found = result_text(row, start, aim)
    return f"best so far ({row.verdict or 'provisional'}): trial {row.number}, {found}"


def accuracy_text(accuracy: float | None, sought: Score = ACCURACY) -> str:
    return "" if accuracy is None else sought.text(accuracy)


def shown_accuracy(row: Trial) -> float | None:
    """Return what a trial reached of the sought score, or its accuracy on the test images without others."""
    reached = sought_value(row)
    return row.test_accuracy if reached is None else reached


def belief_text(belief: Posterior, probability: float | None, sought: Score = ACCURACY) -> str:
    """Return an accuracy with its 95% interval and number of trainings: `14.43% [11.31, 17.55] (n 3)`.

    `probability`: of reaching the required accuracy; None leaves it out.
    """
    low, high = belief.interval()
    interval = "" if math.isnan(low) else f"{sought.interval_text(low, high)} "  # of one number there is none
    known = f"{sought.text(belief.mean)} {interval}(n {belief.trainings})"
    if probability is None:
        return known
    return f"{known}, {100 * probability:.1f}% likely to reach the required accuracy"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

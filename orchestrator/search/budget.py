"""The budget of a study: trainings, and device-hours if the user limits them.

A training starts only if the hours left are enough for the longest training so far. So some hours may stay
unused, and the limit is exceeded only if a training takes longer than every one before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.spec.options import SearchOptions
from orchestrator.spec.trial_config import TrialBudget
from orchestrator.trial import outcome
from orchestrator.trial.request import TrialRequest
from results.db.tables import Trial


@dataclass(frozen=True)
class StudyBudget:
    """The limits of both; `training_seconds` is one training's budget, None if that is in steps."""

    trials: int
    slot_hours: float | None = None
    training_seconds: float | None = None

    def reached(self, orders: Sequence[TrialRequest], rows: Iterable[Trial]) -> list[TrialRequest]:
        """Return those of `orders` that the budget covers after `rows`.

        An unfinished row already counts as a training, but needs its hours again; it comes first.
        """
        if not orders:
            return []
        rows = list(rows)
        trainings, paid = outcome.affordable(self.trials, rows), set[int]()
        for order in sorted(orders, key=lambda order: order.row is None)[: self.trainings_by_hours(rows)]:
            if order.row is not None or trainings > 0:
                trainings -= order.row is None
                paid.add(order.number)
        return [order for order in orders if order.number in paid]

    def reaches_a_training(self, rows: Iterable[Trial]) -> bool:
        """Whether the budget covers another training after `rows`."""
        rows = list(rows)
        return outcome.affordable(self.trials, rows) > 0 and self.trainings_by_hours(rows) != 0

    def spent_text(self, rows: Iterable[Trial], told: Iterable[Trial]) -> str:
        """Return why no more is trained after `rows`. The trainings counted in it are those among `told`."""
        rows = list(rows)
        if self.slot_hours is None or outcome.affordable(self.trials, rows) == 0:
            return f"the search has spent its {outcome.spent(told):.4g} trainings"
        used, next_one = hours_used(rows), self._dearest(rows) / 3600
        return (
            f"the search has used {used:.4g} of its {self.slot_hours:g} device-hours, and a training takes "
            f"up to {next_one:.2g}"
        )

    def trainings_by_hours(self, rows: Iterable[Trial]) -> int | None:
        """Return for how many trainings the remaining hours are enough; None for any number."""
        if self.slot_hours is None:
            return None
        rows = list(rows)
        dearest, left = self._dearest(rows), 3600 * self.slot_hours - 3600 * hours_used(rows)
        if left <= 0:
            return 0
        return math.floor(left / dearest) if dearest else None

    def reaches_beside(self, committed: int, rows: Iterable[Trial]) -> bool:
        """Whether the hours are enough for one more attempt besides `committed` trainings."""
        most = self.trainings_by_hours(rows)
        return most is None or committed < most

    def _dearest(self, rows: Iterable[Trial]) -> float:
        """Return the longest time that a training took in one attempt, in seconds, at least its budget."""
        ended = (row for row in rows if row.state in ("completed", "failed") and row.attempts == 1)
        whole = (row.slot_seconds or 0.0 for row in ended)
        return max(self.training_seconds or 0.0, max(whole, default=0.0))


def study_budget(request: SearchOptions, training: TrialBudget) -> StudyBudget:
    """Return the budget of a search whose trainings have the budget `training`."""
    return StudyBudget(request.trials, request.max_gpu_hours, training.seconds)


def hours_used(rows: Iterable[Trial]) -> float:
    """Return the device-hours that the attempts of these trials used."""
    return math.fsum(row.slot_seconds or 0.0 for row in rows) / 3600

"""The budget of a study: trainings, and device-hours if the user limits them.

A training starts only if the hours left are enough for the longest training so far. So some hours may stay
unused, and the limit is exceeded only if a training takes longer than every one before it.

A search without a required accuracy reserves a part for retraining its best networks at the end
(`final_selection.py`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from orchestrator.spec.search_options import SearchOptions
from orchestrator.spec.study_spec import StudySpec
from orchestrator.trial.outcome import count_affordable, count_spent
from orchestrator.trial.request import TrialRequest
from results.db.tables import Trial
from results.format import quantity

RESERVED = 0.25  # of all trainings


@dataclass(frozen=True)
class StudyBudget:
    """The limits of both; `training_seconds` is one training's budget, None if that is in steps."""

    trials: int
    slot_hours: float | None = None
    training_seconds: float | None = None

    def select(self, requests: Sequence[TrialRequest], rows: Collection[Trial]) -> list[TrialRequest]:
        """Return those of `requests` that the budget covers after `rows`.

        An unfinished row already counts as a training, but needs its hours again; it comes first.
        """
        if not requests:
            return []
        trainings, covered = count_affordable(self.trials, rows), set[int]()
        unfinished_first = sorted(requests, key=lambda request: request.row is None)
        for request in unfinished_first[: self.count_by_hours(rows)]:
            if request.row is not None or trainings > 0:
                trainings -= request.row is None
                covered.add(request.number)
        return [request for request in requests if request.number in covered]

    def covers_a_training(self, rows: Collection[Trial]) -> bool:
        """Whether the budget covers another training after `rows`."""
        return count_affordable(self.trials, rows) > 0 and self.count_by_hours(rows) != 0

    def covers_retry(self, others: int, rows: Collection[Trial]) -> bool:
        """Whether the hours are enough for one more attempt besides `others` trainings."""
        most = self.count_by_hours(rows)
        return most is None or others < most

    def count_by_hours(self, rows: Collection[Trial]) -> int | None:
        """Return for how many trainings the remaining hours are enough; None for any number."""
        if self.slot_hours is None:
            return None
        longest, left = self._longest(rows), 3600 * self.slot_hours - 3600 * hours_used(rows)
        if left <= 0:
            return 0
        return math.floor(left / longest) if longest else None

    def spent_text(self, rows: Collection[Trial], counted: Collection[Trial]) -> str:
        """Return why no more is trained after `rows`. The trainings counted in it are those of `counted`."""
        if self.slot_hours is None or count_affordable(self.trials, rows) == 0:
            return f"the search has spent its {quantity(round(count_spent(counted), 2), 'training')}"
        used, next_one = hours_used(rows), self._longest(rows) / 3600
        return (
            f"the search has used {used:.4g} of its {self.slot_hours:g} device-hours, and a training takes "
            f"up to {next_one:.2g}"
        )

    def _longest(self, rows: Collection[Trial]) -> float:
        """Return the longest time that a training took in one attempt, in seconds, at least its budget."""
        ended = (row for row in rows if row.state in ("completed", "failed") and row.attempts == 1)
        whole = (row.slot_seconds or 0.0 for row in ended)
        return max(self.training_seconds or 0.0, max(whole, default=0.0))


def study_budget(spec: StudySpec) -> StudyBudget:
    """Return the budget of all the trainings of a study."""
    return StudyBudget(spec.request.trials, spec.request.max_gpu_hours, spec.training.budget.seconds)


def search_budget(whole: StudyBudget, request: SearchOptions, rows: Collection[Trial]) -> StudyBudget:
    """Return the budget of the search itself, without the reserve; trainings in `rows` count."""
    reserved, repeats = count_reserved(request), [row for row in rows if row.purpose == "confirmation"]
    if not reserved:
        return whole
    hours = whole.slot_hours
    if hours is not None:
        hours -= max(0.0, hours * reserved / whole.trials - hours_used(repeats))
    return replace(whole, trials=whole.trials - max(0, reserved - len(repeats)), slot_hours=hours)


def count_reserved(request: SearchOptions) -> int:
    """Return how many trainings a search reserves; 0 if it confirms networks as it goes."""
    most = 0 if request.aim.needs_bound or not request.confirm else int(RESERVED * request.trials)
    return most if request.aim.objectives > 1 else sum(plan_rounds(most, request.confirm))


def plan_rounds(reserved: int, most: int) -> list[int]:
    """Return how many networks each round retrains, the start among them: at most `reserved` trainings.

    The first round takes a third of `reserved` besides the start, each later one half of the round before,
    and the last one network. most: rounds
    """
    sizes, others, left = list[int](), max(1, reserved // 3), reserved
    while left > 1 and len(sizes) < most:
        sizes.append(min(others + 1, left))
        left -= sizes[-1]
        others = max(1, (others + 1) // 2)
    return sizes


def hours_used(rows: Collection[Trial]) -> float:
    """Return the device-hours that the attempts of these trials used."""
    return math.fsum(row.slot_seconds or 0.0 for row in rows) / 3600

"""What a run has spent and how long it has left, as its display tells."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from orchestrator.trial import outcome
from results.analysis import forecast
from results.db.tables import Trial


@dataclass
class ProgressMeter:
    """What a study has spent of its budgets, in trainings and in hours of a GPU or a CPU slot."""

    trainings: int  # the budget
    seconds_per_training: float | None  # None for budgets in steps
    unit: str  # "GPU" or "CPU"
    slots: int = 1
    slot_hours: float | None = None  # the budget; None for as many as it takes
    done: float = 0.0
    seconds: float = 0.0
    joules: float | None = 0.0
    begun: float = field(default_factory=time.monotonic)  # moved by what the process was suspended
    of_this_run: tuple[int, float] = (0, 0.0)  # trials that ended, and what they used

    def remember(self, row: Trial) -> None:
        """Count a trial that an earlier run ended."""
        self.done += outcome.spent([row])
        self.seconds += row.slot_seconds or 0.0
        self.joules = _sum(self.joules, row.energy_joules)

    def count(self, row: Trial) -> None:
        """Count a trial that has ended now."""
        self.remember(row)
        ended, seconds = self.of_this_run
        self.of_this_run = (ended + 1, seconds + (row.slot_seconds or 0.0))

    def __str__(self) -> str:
        bound = f" of {self.slot_hours:g}" if self.slot_hours is not None else ""
        joules = f", {forecast.energy(self.joules)}" if self.joules else ""
        left = self._ahead()
        return (
            f"{self.done:.4g}/{self.trainings} trainings, {self.unit}-hours: {self.seconds / 3600:.3f} "
            f"used{bound}{joules}, {f'{left} left' if left else 'how long is left is not known yet'}"
        )

    def _ahead(self) -> forecast.Forecast | None:
        ended, used = self.of_this_run
        elapsed = time.monotonic() - self.begun
        so_far = forecast.Spending(self.done, self.done, self.seconds, used, ended, elapsed)
        return forecast.ahead(so_far, self.trainings, self.slot_hours, self.slots, self.seconds_per_training)


def _sum(joules: float | None, more: float | None) -> float | None:
    return None if joules is None or more is None else joules + more

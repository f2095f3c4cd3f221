"""How much a study has used, and how much longer it will take, from the counts of the view `spending`.

The forecast is a range. Its lower end assumes that every worker is busy until the end, which iterations
smaller than the number of workers never reach. Its upper end assumes the speed of the latest run so far.
Early stopping shortens neither, since the time it saves goes into further trainings. A solver that finishes
before the budget is spent shortens both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spending:
    """Budget and time that the trials of a study have used."""

    spent: float = 0.0  # of the budget, in trainings; running ones count in full
    ended: float = 0.0  # the same without those that run
    slot_seconds: float = 0.0  # of all attempts
    run_seconds: float = 0.0  # the same of its latest run alone
    run_ended: int = 0  # trials that ended in its latest run
    run_elapsed: float | None = None  # seconds from the beginning of its latest run to the last such end

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Spending:
        """Return the spending in a row of the view, which has the study's `begun_at` as well."""
        begun, last = row["begun_at"], row["last_finished_at"]
        return cls(
            row["spent"],
            row["ended"],
            row["slot_seconds"],
            row["run_seconds"],
            row["run_ended"],
            (last - begun).total_seconds() if begun and last else None,
        )


@dataclass(frozen=True)
class Forecast:
    """Seconds until the budget is spent: with all workers busy, and at the speed so far (None: unknown)."""

    least: float
    likely: float | None

    def __str__(self) -> str:
        if self.likely is None:
            return f"at least {duration(self.least)}"
        least, likely = duration(self.least), duration(self.likely)
        return f"about {likely}" if least == likely else f"{least} to {likely}"


def ahead(
    spending: Spending,
    trials: int,
    slot_hours: float | None,
    slots: int | None,
    training_seconds: float | None = None,
) -> Forecast | None:
    """Return how much longer a study takes; None while the length of a training is not known.

    trials: the budget in trainings; slot_hours: the budget in device-hours, None for no limit
    slots: workers; training_seconds: one training's budget, used until the first training has ended
    """
    each = spending.slot_seconds / spending.ended if spending.ended else training_seconds
    if not each or not slots:
        return None
    hours_left = None if slot_hours is None else max(0.0, 3600 * slot_hours - spending.slot_seconds)
    to_begin, to_end = (each * max(0.0, trials - taken) for taken in (spending.spent, spending.ended))
    if hours_left is not None:
        to_begin, to_end = min(to_begin, hours_left), min(to_end, hours_left)
    least = to_begin / slots
    elapsed = spending.run_elapsed or 0.0
    if elapsed <= 0 or not spending.run_seconds or spending.run_ended < slots:  # the clock may be set back
        return Forecast(least, None)
    return Forecast(least, max(least, to_end * elapsed / spending.run_seconds))


def of_study(study: Mapping[str, Any]) -> Forecast | None:
    """Return the forecast of a row of `queries.studies`; None if the study does not run."""
    if study["state"] != "running":
        return None
    budget = ((study["question"] or {}).get("training") or {}).get("budget") or {}
    return ahead(
        Spending.of_row(study),
        study["budget_trials"],
        study["budget_slot_hours"],
        study["slots"],
        budget.get("seconds"),
    )


def expected_saving(belief: Mapping[str, Any] | None) -> float | None:
    """Return the fraction that ten more trainings are expected to save; None if the solver has no model.

    belief: of the trial that the solver chose last, a value of the column `trials.belief`
    """
    saving: float | None = (belief or {}).get("expected_saving")
    return saving


def saving_text(saving: float | None) -> str:
    """Return that fraction in words; empty if it is not known."""
    return "" if saving is None else f"expected saving of 10 more trainings: {saving:.1%}"


def used_text(study: Mapping[str, Any]) -> str:
    """Return the device-hours that a study has used, of how many, and the energy if it was measured."""
    most, joules = study["budget_slot_hours"], energy(study["energy_joules"])
    hours = f"{study['slot_seconds'] / 3600:.3f}{'' if most is None else f' of {most:g}'} device-hours"
    trainings, measured = study["trainings"], study["measured"]
    partly = f" (measured in {measured} of {trainings} trainings)" if measured < trainings else ""
    return f"{hours}, {joules}{partly}" if joules else hours


def duration(seconds: float) -> str:
    """Return a time in words: 40 s, 12 min, 3.5 h or 2.1 days."""
    for unit, size, digits in (("s", 1, 0), ("min", 60, 0), ("h", 3600, 1)):
        if seconds < _UPTO[unit]:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} days"


_UPTO = {"s": 99.5, "min": 99.5 * 60, "h": 48 * 3600}


def energy(joules: float | None) -> str:
    """Return an energy in words: 350 J, 1.2 Wh or 3.4 kWh; empty if it is not known."""
    if joules is None:
        return ""
    if joules < 3600:
        return f"{joules:.0f} J"
    return f"{joules / 3600:.3g} Wh" if joules < 3.6e6 else f"{joules / 3.6e6:.3g} kWh"

"""Whether a training's learning curve can still reach what its search asks of it.

The rule is learnt from the study's own finished curves: their final accuracies are regressed on what each
had reached at the same share of its budget. The surprise: nothing is taken off for looking at every epoch.
What is bounded is the share of stopped trainings that would have got there, and a probability that is right
at each look is right at the one at which it first falls below the level; benchmarks/early_stop.py holds that
against real curves, and every study against the trials that its audit leaves uncut.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.analysis.posterior import students

EARLIEST = 0.25  # of the budget: before it nothing is stopped
FEWEST_CURVES = 6  # that have finished; fewer tell too little
MOST_CURVES = (
    500  # the latest ones; a line through more of them is no better, and each look would take longer
)
_LOOKS = 2  # that the many at one curve, much alike, count for (benchmarks/early_stop.py has what came of it)
LEVEL, AUDIT = 0.05, 0.1  # where the user gives neither

Points = Sequence[tuple[float, float]]  # (progress, validation accuracy), in order


@dataclass(frozen=True)
class Finished:
    """The learning curve of a training that ended by itself, and its last weights' accuracy."""

    points: Points
    accuracy: float


@dataclass(frozen=True)
class Prune:
    """The first look at which a curve could not reach the bound; all but `progress` are accuracies."""

    progress: float
    accuracy: float  # measured there
    predicted: float
    bound: float

    def columns(self) -> dict[str, float]:
        """Return what a trial's row says of it."""
        return {
            "stop_progress": self.progress,
            "predicted_accuracy": self.predicted,
            "stop_bound": self.bound,
        }


@dataclass(frozen=True)
class PrunerConfig:
    """What a study does about hopeless trainings: none is stopped at level 0.

    `level`: of the trainings stopped, the share that may be expected to have reached the bound all the same.
    `audit`: the share of trials that is never stopped, so that false stops are known.
    """

    level: float = LEVEL
    audit: float = AUDIT

    @classmethod
    def settled(
        cls, level: float | None, audit: float | None, recorded: Mapping[str, Any] | None
    ) -> PrunerConfig:
        """Return what the user asks; what is not given is as on record, or the usual in a new study.

        `recorded`: the question of the study on record; one without a policy stops nothing.
        """
        usual = recorded.get("early_stop", {"level": 0.0}) if recorded is not None else {}
        known = {"level": LEVEL, "audit": AUDIT, **usual}
        asked = {
            name: known[name] if given is None else given
            for name, given in (("level", level), ("audit", audit))
        }
        return cls(**asked)

    def question(self) -> dict[str, Any]:
        """Return what a resume must repeat; nothing where nothing is stopped, as in studies of old."""
        return {"early_stop": {"level": self.level, "audit": self.audit}} if self.level else {}

    def audits(self, seed: int, number: int) -> bool:
        """Whether the trial of this number is never stopped, by a draw of its own."""
        digest = hashlib.sha256(f"audit {seed} {number}".encode()).digest()
        return int.from_bytes(digest[:6]) / 2**48 < self.audit


@dataclass(frozen=True)
class LearningCurvePruner:
    """What the trials of one block are held against. It depends on nothing that they do themselves."""

    finished: tuple[Finished, ...]
    bound: float
    validation_images: int
    policy: PrunerConfig
    seed: int

    def audits(self, number: int) -> bool:
        """Whether this trial is left to run, whatever its curve says."""
        return self.policy.audits(self.seed, number)

    def first_stop(self, measurements: Iterable[Mapping[str, Any]]) -> Prune | None:
        """Return the first measurement by which the bound is out of reach, if there is one."""
        if not self.finished:
            return None
        curve = points((measured["progress"], measured["val_accuracy"]) for measured in measurements)
        looks = (self._look(curve[:end]) for end in range(1, len(curve) + 1))
        return next((look for look in looks if look is not None), None)

    def columns(self, number: int, measurements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what the row of a trial says of this rule; nothing where nothing is stopped."""
        if not self.policy.level:
            return {}
        hopeless = self.first_stop(measurements)
        return {"audited": int(self.audits(number)), **(hopeless.columns() if hopeless else {})}

    def _look(self, curve: Points) -> Prune | None:
        progress, accuracy = curve[-1]
        if not EARLIEST <= progress < 1 or self.bound <= 0:
            return None
        curves = [finished for finished in self.finished if _spans(finished.points, progress)]
        if len(curves) < FEWEST_CURVES:
            return None
        known = [(reached(finished.points, progress), finished.accuracy) for finished in curves]
        predicted, scale, freedom = predict(known, reached(curve, progress), self._least_variance())
        if students(freedom, (predicted - self.bound) / scale) >= self.policy.level / _LOOKS:
            return None
        return Prune(progress, accuracy, min(max(predicted, 0.0), 1.0), self.bound)

    def _least_variance(self) -> float:
        """Return the variance that drawing the validation images alone gives an accuracy near the bound."""
        images = max(self.validation_images, 1)
        share = (min(self.bound, 1.0) * images + 1) / (images + 2)  # never quite 0 or 1
        return share * (1 - share) / images


NEVER = LearningCurvePruner((), 0.0, 1, PrunerConfig(level=0.0, audit=0.0), 0)  # stops nothing


def points(pairs: Iterable[tuple[float | None, float | None]]) -> tuple[tuple[float, float], ...]:
    """Return the curve of (progress, accuracy); pairs without either are left out."""
    return tuple((float(p), float(a)) for p, a in pairs if p is not None and a is not None)


def reached(curve: Points, progress: float) -> float:
    """Return the best accuracy of a curve up to a progress, where it is read between its measurements.

    The best, for a step of a large learning rate may throw an accuracy back that returns by itself.
    """
    before = [point for point in curve if point[0] <= progress]
    best, (share, accuracy) = max(reading for _, reading in before), before[-1]
    if len(before) == len(curve):
        return best
    next_share, next_accuracy = curve[len(before)]
    return max(best, accuracy + (next_accuracy - accuracy) * (progress - share) / (next_share - share))


def predict(known: Sequence[tuple[float, float]], seen: float, floor: float) -> tuple[float, float, float]:
    """Return the location, scale and degrees of freedom of Student's t of a final accuracy.

    known: pairs of what a finished training had reached, and its final accuracy: a straight line is put
        through them (Gelman et al., Bayesian Data Analysis, 3rd edition, section 14.2: flat prior)
    seen: what the training in question has reached
    floor: the least variance around the line that is believed
    """
    import numpy as np  # a tenth of a second, which the start of a search does not wait for

    x, y = np.array(known).T
    freedom, spread = len(x) - 2, float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread else 0.0
    residuals = y - y.mean() - slope * (x - x.mean())
    variance = max(float((residuals**2).sum()) / freedom, floor)
    away = seen - float(x.mean())
    doubt = 1 + 1 / len(x) + (away**2 / spread if spread else 0.0)
    return float(y.mean()) + slope * away, math.sqrt(variance * doubt), freedom


def _spans(curve: Points, progress: float) -> bool:
    return bool(curve) and curve[0][0] <= progress <= curve[-1][0]

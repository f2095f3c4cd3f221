"""Early stopping by learning curves: stop a training that can no longer reach the required accuracy.

The rule is learnt from the study's own finished curves: their final accuracies are regressed on the accuracy
that each had reached at the same fraction of its budget. There is no correction for checking after every
epoch. The level bounds the fraction of stopped trainings that would have reached the required accuracy. A
probability that is right at each check is also right at the check where it first falls below the level.
benchmarks/early_stop.py tests this on real curves, and every study tests it on its exempt (audited) trials.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.analysis.posterior import students

EARLIEST = 0.25  # of the budget, before which nothing is stopped
FEWEST_CURVES = 6  # finished ones that the rule needs
MOST_CURVES = 500  # the latest ones; more do not improve the fit and make each check slower
_LOOKS = 2  # independent checks that those of one curve amount to (measured in benchmarks/early_stop.py)
LEVEL, AUDIT = 0.05, 0.1  # the defaults

Points = Sequence[tuple[float, float]]  # (progress, validation accuracy), in order


@dataclass(frozen=True)
class Finished:
    """The learning curve of a training that ended by itself, and its final accuracy."""

    points: Points
    accuracy: float


@dataclass(frozen=True)
class Prune:
    """The first check at which a curve could not reach the bound, with accuracies as fractions."""

    progress: float
    accuracy: float  # measured there
    predicted: float
    bound: float

    def columns(self) -> dict[str, float]:
        """Return the columns of a trial's row."""
        return {
            "stop_progress": self.progress,
            "predicted_accuracy": self.predicted,
            "stop_bound": self.bound,
        }


@dataclass(frozen=True)
class PrunerConfig:
    """The settings of early stopping. At level 0 nothing is stopped.

    `level`: the tolerated fraction of stopped trainings that would have reached the required accuracy.
    `audit`: the fraction of trials that is never stopped, to estimate the error rate.
    """

    level: float = LEVEL
    audit: float = AUDIT

    @classmethod
    def resolve(
        cls, level: float | None, audit: float | None, recorded: Mapping[str, Any] | None
    ) -> PrunerConfig:
        """Return the user's settings; missing ones are as recorded, or the defaults in a new study.

        `recorded`: the recorded settings of the study; without an entry nothing is stopped.
        """
        usual = {} if recorded is None else recorded.get("early_stop", {"level": 0.0})
        given = {name: value for name, value in (("level", level), ("audit", audit)) if value is not None}
        return cls(**{**usual, **given})

    def question(self) -> dict[str, Any]:
        """Return the settings that a resume must repeat; none if nothing is stopped, as in older versions."""
        return {"early_stop": {"level": self.level, "audit": self.audit}} if self.level else {}

    def audits(self, seed: int, number: int) -> bool:
        """Whether a random draw from the seed exempts the trial with this number from early stopping."""
        digest = hashlib.sha256(f"audit {seed} {number}".encode()).digest()
        return int.from_bytes(digest[:6]) / 2**48 < self.audit


@dataclass(frozen=True)
class LearningCurvePruner:
    """The early-stopping rule for the trials of one iteration, learnt from earlier trials only."""

    finished: tuple[Finished, ...]
    bound: float
    validation_images: int
    policy: PrunerConfig
    seed: int

    def audits(self, number: int) -> bool:
        """Whether this trial is exempt from early stopping."""
        return self.policy.audits(self.seed, number)

    def find_stop(self, measurements: Iterable[Mapping[str, Any]]) -> Prune | None:
        """Return the first measurement after which the bound is out of reach, if there is one."""
        if not self.finished:
            return None
        curve = complete_points((measured["progress"], measured["val_accuracy"]) for measured in measurements)
        looks = (self._look(curve[:end]) for end in range(1, len(curve) + 1))
        return next((look for look in looks if look is not None), None)

    def columns(self, number: int, measurements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Return a trial's columns about early stopping; empty if nothing is stopped."""
        if not self.policy.level:
            return {}
        hopeless = self.find_stop(measurements)
        return {"audited": int(self.audits(number)), **(hopeless.columns() if hopeless else {})}

    def _look(self, curve: Points) -> Prune | None:
        progress, accuracy = curve[-1]
        if not EARLIEST <= progress < 1 or self.bound <= 0:
            return None
        measured = [finished for finished in self.finished if finished.points]
        curves = [one for one in measured if one.points[0][0] <= progress <= one.points[-1][0]]
        if len(curves) < FEWEST_CURVES:
            return None
        known = [(interpolate_best(finished.points, progress), finished.accuracy) for finished in curves]
        predicted, scale, freedom = predict(known, interpolate_best(curve, progress), self._least_variance())
        if students(freedom, (predicted - self.bound) / scale) >= self.policy.level / _LOOKS:
            return None
        return Prune(progress, accuracy, min(max(predicted, 0.0), 1.0), self.bound)

    def _least_variance(self) -> float:
        """Return the variance of an accuracy near the bound from sampling the validation images alone."""
        images = max(self.validation_images, 1)
        share = (min(self.bound, 1.0) * images + 1) / (images + 2)  # never quite 0 or 1
        return share * (1 - share) / images


NEVER = LearningCurvePruner((), 0.0, 1, PrunerConfig(level=0.0, audit=0.0), 0)  # stops nothing


def complete_points(pairs: Iterable[tuple[float | None, float | None]]) -> tuple[tuple[float, float], ...]:
    """Return the curve of (progress, accuracy); incomplete pairs are left out."""
    return tuple((float(p), float(a)) for p, a in pairs if p is not None and a is not None)


def interpolate_best(curve: Points, progress: float) -> float:
    """Return the best accuracy of a curve up to a progress, interpolated between measurements.

    The best and not the last, because with a large learning rate the accuracy may drop and recover.
    """
    before = [point for point in curve if point[0] <= progress]
    best, (share, accuracy) = max(reading for _, reading in before), before[-1]
    if len(before) == len(curve):
        return best
    next_share, next_accuracy = curve[len(before)]
    return max(best, accuracy + (next_accuracy - accuracy) * (progress - share) / (next_share - share))


def predict(known: Sequence[tuple[float, float]], seen: float, floor: float) -> tuple[float, float, float]:
    """Predict a final accuracy: return the location, scale and degrees of freedom of a Student's t.

    known: pairs (accuracy reached so far, final accuracy) of finished trainings; a straight line is fitted
        to them (Gelman et al., Bayesian Data Analysis, 3rd edition, section 14.2: flat prior)
    seen: the accuracy that the training in question has reached
    floor: the least residual variance
    """
    import numpy as np  # a tenth of a second to import, so not at start-up

    x, y = np.array(known).T
    freedom, spread = len(x) - 2, float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread else 0.0
    residuals = y - y.mean() - slope * (x - x.mean())
    variance = max(float((residuals**2).sum()) / freedom, floor)
    away = seen - float(x.mean())
    doubt = 1 + 1 / len(x) + (away**2 / spread if spread else 0.0)
    return float(y.mean()) + slope * away, math.sqrt(variance * doubt), freedom

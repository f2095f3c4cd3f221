"""Early stopping: which trainings end before their budget does. One file a rule, chosen by `--pruner NAME`.

A rule learns from the study's own finished trainings. It stops candidates of a search, never the baseline or
repeats. Some candidates are exempt (audited): they run to their end, so every study measures how often its
rule is wrong.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

from results.scores import ACCURACY

EARLIEST = 0.25  # of the budget, before which nothing is stopped
FEWEST_CURVES = 6  # finished ones that a rule needs
MOST_CURVES = 500  # the latest ones; more do not improve a fit and make each check slower
LEVEL, AUDIT = 0.05, 0.1  # the defaults
USUAL = "learning_curve"

Points = Sequence[tuple[float, float]]  # (progress, validation accuracy or other sought score), in order


@dataclass(frozen=True)
class Finished:
    """The learning curve of a training that ended by itself, and its final accuracy."""

    points: Points
    accuracy: float

    def spans(self, progress: float) -> bool:
        return bool(self.points) and self.points[0][0] <= progress <= self.points[-1][0]


@dataclass(frozen=True)
class Evidence:
    """What a rule may know when it decides: earlier iterations only, so that a resume decides alike.

    required: the accuracy that the search requires or has to beat, a fraction
    level: the tolerated fraction of stopped trainings that would have reached it
    """

    finished: tuple[Finished, ...]
    required: float
    validation_images: int
    level: float = LEVEL

    def spanning(self, progress: float) -> list[Finished]:
        """Return the finished curves that have measurements before and after a progress."""
        return [curve for curve in self.finished if curve.spans(progress)]


@dataclass(frozen=True)
class Prune:
    """A training is to be stopped. All fields but `progress` and `why` are accuracies, as fractions.

    predicted: what the solver is told that the training would have reached; below `required`
    """

    progress: float
    accuracy: float  # measured there
    predicted: float
    required: float
    why: str

    def columns(self) -> dict[str, float]:
        """Return the columns of a trial's row."""
        return {
            "stop_progress": self.progress,
            "predicted_accuracy": self.predicted,
            "stop_bound": self.required,
        }


class Pruner(Protocol):
    """The interface of a module in this folder."""

    USES_LEVEL: bool  # whether --early-stop has an effect

    def decide(self, curve: Points, evidence: Evidence) -> Prune | None:
        """Return why a training is to be stopped at the last of its measurements; None if it is not.

        curve: at least one point; the last one lies from `EARLIEST` up to, but not including, 1
        """


def names() -> list[str]:
    """Return the names of all rules."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_")


def load(name: str) -> Pruner:
    """Return the module of a rule. Raise ValueError for an unknown name."""
    if name not in names():
        raise ValueError(f"no pruner is named {name!r}; choose one of {', '.join(names())}")
    return cast(Pruner, importlib.import_module(f"{__name__}.{name}"))


@dataclass(frozen=True)
class PrunerConfig:
    """The settings of early stopping. At level 0, and by the rule `none`, nothing is stopped.

    `level`: the tolerated fraction of stopped trainings that would have reached the required accuracy.
    `audit`: the fraction of trials that is never stopped, to estimate the error rate.
    """

    level: float = LEVEL
    audit: float = AUDIT
    pruner: str = USUAL

    @classmethod
    def resolve(
        cls, pruner: str | None, level: float | None, audit: float | None, recorded: Mapping[str, Any] | None
    ) -> PrunerConfig:
        """Return the user's settings; missing ones are as recorded, or the defaults in a new study.

        `recorded`: the recorded settings of the study; without an entry nothing is stopped, unless a rule is
        given, which is then another setting.
        """
        nothing = {"level": 0.0} if pruner is None else {}
        usual = {} if recorded is None else recorded.get("early_stop", nothing)
        asked = {"pruner": pruner, "level": level, "audit": audit}
        return cls(**{**usual, **{name: value for name, value in asked.items() if value is not None}})

    @property
    def stops(self) -> bool:
        return self.pruner != "none" and self.level > 0

    def question(self) -> dict[str, Any]:
        """Return the settings that a resume must repeat; empty if nothing is stopped.

        The usual rule is not named, as in versions that had no other.
        """
        if not self.stops:
            return {}
        asked = asdict(self)
        if self.pruner == USUAL:
            del asked["pruner"]
        elif not load(self.pruner).USES_LEVEL:
            del asked["level"]
        return {"early_stop": asked}

    def audits(self, seed: int, number: int) -> bool:
        """Whether the trial with this number is exempt, by a random draw from the seed."""
        digest = hashlib.sha256(f"audit {seed} {number}".encode()).digest()
        return int.from_bytes(digest[:6]) / 2**48 < self.audit


@dataclass(frozen=True)
class EarlyStopping:
    """A rule, applied to the trials of one iteration. `column`: of the sought score in their curves."""

    config: PrunerConfig
    evidence: Evidence
    seed: int
    column: str = ACCURACY.column

    def audits(self, number: int) -> bool:
        """Whether this trial is exempt."""
        return self.config.audits(self.seed, number)

    def find_stop(self, measurements: Iterable[Mapping[str, Any]]) -> Prune | None:
        """Return why and where a training is first to be stopped; None if it is not."""
        if not self.evidence.finished or self.evidence.required <= 0 or not self.config.stops:
            return None
        rule = load(self.config.pruner)
        curve = complete_points((measured["progress"], measured[self.column]) for measured in measurements)
        ends = (end for end, (progress, _) in enumerate(curve, start=1) if EARLIEST <= progress < 1)
        decisions = (rule.decide(curve[:end], self.evidence) for end in ends)
        return next((found for found in decisions if found is not None), None)

    def columns(self, number: int, measurements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Return a trial's columns about early stopping; empty if nothing is stopped."""
        if not self.config.stops:
            return {}
        found = self.find_stop(measurements)
        return {"audited": int(self.audits(number)), **(found.columns() if found else {})}


NEVER = EarlyStopping(PrunerConfig(0.0, 0.0, "none"), Evidence((), 0.0, 1, 0.0), 0)  # stops nothing


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

"""The two questions: the smallest network that is still as accurate, the best hyperparameters.

A formulation turns a point into what is trained and what was measured into what a solver hears.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.problem import Evaluation
from results.models import Trial
from search_spaces import Point, Space, scaling, training

Scale = Mapping[str, float]


class Formulation(Protocol):
    """What a study asks. `constraints` is how many each evaluation carries."""

    @property
    def kind(self) -> str: ...

    @property
    def space(self) -> Space: ...

    @property
    def start(self) -> Point: ...

    @property
    def constraints(self) -> int: ...

    def choice(self, point: Point) -> tuple[Scale, Mapping[str, Any]]:
        """Return the scale and the hyperparameters that `point` stands for."""
        ...

    def evaluation(self, macs: int, val_accuracy: float) -> Evaluation:
        """Return what a solver hears of a completed trial."""
        ...

    def screened(self, macs: int) -> Evaluation | None:
        """Return the answer to a point that need not be trained, None for one that must be."""
        ...

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        """Return the winner among the trials of a search, None where none meets the constraints."""
        ...


@dataclass(frozen=True)
class SmallestNetwork:
    """Minimise MACs subject to accuracy >= the base network's (NOMAD paper, formulation 1).

    Screening: the base network itself meets the constraint, as its accuracy is the bound, so a
    point of no fewer MACs cannot be the answer and is not trained. A bound given by the user says
    nothing of the base, so then (`base_macs` is None) every point is trained.
    """

    space: Space
    base_scale: Scale
    min_accuracy: float  # a fraction, the tolerance already taken off
    base_macs: int | None
    kind: str = "nas"
    constraints: int = 1

    @property
    def start(self) -> Point:
        return scaling.start(self.space)

    def choice(self, point: Point) -> tuple[Scale, Mapping[str, Any]]:
        return scaling.absolute(self.base_scale, point), {}

    def evaluation(self, macs: int, val_accuracy: float) -> Evaluation:
        return Evaluation(float(macs), (self.min_accuracy - val_accuracy,))

    def screened(self, macs: int) -> Evaluation | None:
        """Answer a point that cannot beat the base: its MACs are true, its accuracy does not matter."""
        if self.base_macs is None or macs < self.base_macs:
            return None
        return Evaluation(float(macs), (0.0,))

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        passed = [t for t in _searched(trials) if accuracy(t) >= self.min_accuracy]
        return min(passed, key=lambda t: (t.macs or 0, t.number), default=None)


@dataclass(frozen=True)
class BestHyperparameters:
    """Maximise accuracy over learning rate, weight decay, optimizer and batch size (formulation 2)."""

    model_scale: Scale
    kind: str = "hpo"
    constraints: int = 0

    @property
    def space(self) -> Space:
        return training.space()

    @property
    def start(self) -> Point:
        return training.start()

    def choice(self, point: Point) -> tuple[Scale, Mapping[str, Any]]:
        return self.model_scale, training.hyperparameters(point)

    def evaluation(self, macs: int, val_accuracy: float) -> Evaluation:
        return Evaluation(1.0 - val_accuracy, ())

    def screened(self, macs: int) -> Evaluation | None:
        return None

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        return max(_searched(trials), key=lambda t: (accuracy(t), -t.number), default=None)


def accuracy(trial: Trial) -> float:
    """Return the accuracy of a trial, 0 where it has none."""
    return trial.val_accuracy or 0.0


def _searched(trials: Sequence[Trial]) -> list[Trial]:
    return [t for t in trials if t.purpose == "search" and t.state == "completed"]

"""The two questions: the smallest network that is still as accurate, the most accurate training.

A formulation turns a point into what is trained and what was measured into what a solver hears.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.problem import Evaluation
from orchestrator.training import Chosen
from results.models import Trial
from search_spaces import Named, Point, Space, scaling

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

    def choice(self, point: Point) -> Chosen:
        """Return what `point` settles of its training."""
        ...

    def evaluation(self, macs: int, parameters: int, val_accuracy: float) -> Evaluation:
        """Return what a solver hears of a completed trial."""
        ...

    def screened(self, macs: int, parameters: int, incumbent: Trial | None) -> Evaluation | None:
        """Return the answer to a point that need not be trained, None for one that must be.

        `incumbent`: the best network that is confirmed, if any is.
        """
        ...

    def hurdle(self, trials: Sequence[Trial]) -> float | None:
        """Return the accuracy without which a training is of no use after `trials`, None where any is."""
        ...

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        """Return the winner among the trials of a search, None where none meets the constraints."""
        ...


@dataclass(frozen=True)
class SmallestNetwork:
    """Minimise MACs subject to accuracy >= the base network's (NOMAD paper, formulation 1).

    Screening: a point of no fewer MACs than a network that meets the constraint cannot be the answer and
    is not trained. The base network does, as its accuracy is the bound, and so does one that is confirmed;
    one that merely passed may have been lucky, and would hide everything above it. A bound given by the
    user says nothing of the base, so then `base_macs` is None.
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

    def choice(self, point: Point) -> Chosen:
        return Chosen(scaling.absolute(self.base_scale, point))

    def evaluation(self, macs: int, parameters: int, val_accuracy: float) -> Evaluation:
        return Evaluation(float(macs), (self.min_accuracy - val_accuracy,))

    def screened(self, macs: int, parameters: int, incumbent: Trial | None) -> Evaluation | None:
        """Answer a point that cannot win: its MACs are true, its accuracy does not matter."""
        of_incumbent = incumbent.macs if incumbent else None
        believed = [known for known in (self.base_macs, of_incumbent) if known is not None]
        if not believed or macs < min(believed):
            return None
        return Evaluation(float(macs), (0.0,))

    def hurdle(self, trials: Sequence[Trial]) -> float | None:
        return self.min_accuracy

    def passed(self, trial: Trial) -> bool:
        """Whether a trial of the search kept the bound, and was not found out since to have been lucky."""
        is_trained = trial.purpose == "search" and trial.state == "completed"
        return is_trained and trial.verdict != "rejected" and accuracy(trial) >= self.min_accuracy

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        """Return the cheapest confirmed network, or else the cheapest that passed."""
        passed = [trial for trial in trials if self.passed(trial)]
        return min(passed, key=lambda t: (t.verdict is None, t.macs or 0, t.number), default=None)


@dataclass(frozen=True)
class BestAccuracy:
    """Maximise accuracy over a named space (over `training` it is the NOMAD paper's formulation 2).

    Screening: a network over the space's parameter limit is not trained. Its constraint says by
    which share it is over; its accuracy is not known, and the worst one stands in for it.
    """

    model_scale: Scale
    named: Named
    kind: str = "hpo"

    @property
    def space(self) -> Space:
        return self.named.space

    @property
    def start(self) -> Point:
        return self.named.start

    @property
    def constraints(self) -> int:
        return 0 if self.named.most_parameters is None else 1

    def choice(self, point: Point) -> Chosen:
        return Chosen(self.model_scale, **self.named.parts(point))

    def evaluation(self, macs: int, parameters: int, val_accuracy: float) -> Evaluation:
        return Evaluation(1.0 - val_accuracy, self._excess(parameters))

    def screened(self, macs: int, parameters: int, incumbent: Trial | None) -> Evaluation | None:
        excess = self._excess(parameters)
        return Evaluation(1.0, excess) if any(share > 0 for share in excess) else None

    def _excess(self, parameters: int) -> tuple[float, ...]:
        """Return the share over the limit, 0 or less where a network keeps to it; empty without a limit."""
        limit = self.named.most_parameters
        return () if limit is None else (parameters / limit - 1.0,)

    def hurdle(self, trials: Sequence[Trial]) -> float | None:
        best = self.best(trials)
        return None if best is None else accuracy(best)

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        return max(_searched(trials), key=lambda t: (accuracy(t), -t.number), default=None)


def accuracy(trial: Trial) -> float:
    """Return the accuracy of a trial, 0 where it has none."""
    return trial.val_accuracy or 0.0


def _searched(trials: Sequence[Trial]) -> list[Trial]:
    return [t for t in trials if t.purpose == "search" and t.state == "completed"]

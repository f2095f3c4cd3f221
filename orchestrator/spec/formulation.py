"""The question of a search: the smallest network that is as accurate, the most accurate one, or the front.

A formulation turns a point into what is trained and what was measured into what a solver hears. The
surprise: sizes are known before training, so a point that cannot be the answer is answered without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.spec.objective import NetworkSize, Objective, amount_text, size
from orchestrator.spec.problem import Evaluation, Problem
from orchestrator.spec.trial_config import Choices
from results.db.tables import Trial
from search_spaces import Point, Space

_BEST_FIRST = {"confirmed": 0, "undecided": 1, None: 2}  # the verdicts of networks that passed


@dataclass(frozen=True)
class Screened:
    """An answer without training, why it is known, and the trial that cannot be beaten, if that is why."""

    answer: Evaluation
    why: str
    by: Trial | None = None


@dataclass(frozen=True)
class Formulation:
    """An aim over a space of networks.

    An evaluation's objective is the size to be minimised, or else the share of wrong answers, and where both
    are asked for that share is the further one. Its constraints are the accuracy missed, where there is a
    bound, and then for each limit the share a network is over it.

    choice: what a point settles of its training
    min_accuracy: the bound, a fraction; None: there is none
    base: a network that is known to keep the bound, because the bound is its own accuracy
    """

    space: Space
    start: Point
    choice: Callable[[Point], Choices]
    aim: Objective
    min_accuracy: float | None = None
    base: NetworkSize | None = None

    @property
    def confirms(self) -> bool:
        """Whether networks are trained again, until it is believed that they keep the bound."""
        return self.min_accuracy is not None and self.aim.objectives == 1

    def problem(self, block: int, seed: int) -> Problem:
        constraints = (self.min_accuracy is not None) + len(self.aim.limits)
        return Problem(self.space, self.start, block, constraints, seed, self.aim.objectives)

    def evaluation(self, network: NetworkSize, val_accuracy: float) -> Evaluation:
        """Return what a solver hears of a completed trial."""
        missed = () if self.min_accuracy is None else (self.min_accuracy - val_accuracy,)
        return self._evaluation(network, 1.0 - val_accuracy, (*missed, *self._excess(network)))

    def screened(self, network: NetworkSize, incumbent: Trial | None) -> Screened | None:
        """Return the answer to a point that need not be trained, None for one that must be.

        That is one over a limit, and one that is no smaller than a network which meets all constraints. The
        base network does, as its accuracy is the bound, and so does one that is confirmed (`incumbent`); one
        that merely passed may have been lucky, and would hide everything above it.

        Sizes are true in the answer. What is not known is told as the worst accuracy or, of the bound, as a
        constraint of exactly 0.
        """
        for name, most in self.aim.limits.items():
            if size(network, name) > most:
                why = f"{amount_text(size(network, name), name)} are over the limit"
                return Screened(self._untrained(network), why)
        known = incumbent or self._base_within_limits
        if self.aim.minimise is None or self.aim.objectives > 1 or known is None:
            return None
        if self.size(network) < self.size(known):
            return None
        whose = f"trial {incumbent.number}'s" if incumbent else "the base's"
        why = f"{amount_text(self.size(network), self.aim.minimise)} are no less than {whose}"
        return Screened(self._untrained(network), why, incumbent)

    def size(self, network: NetworkSize) -> float:
        """Return what is minimised of a network."""
        assert self.aim.minimise is not None
        return size(network, self.aim.minimise)

    def hurdle(self, trials: Sequence[Trial]) -> float | None:
        """Return the accuracy without which a training is of no use after `trials`, None where any is.

        On a front any may be, for it depends on the network's size.
        """
        if self.min_accuracy is not None or self.aim.objectives > 1:
            return self.min_accuracy
        best = self.best(trials)
        return None if best is None else accuracy(best)

    def passed(self, trial: Trial) -> bool:
        """Whether a trial of the search kept the bound, and was not found out since to have been lucky."""
        is_trained = trial.purpose == "search" and trial.state == "completed"
        return is_trained and trial.verdict != "rejected" and accuracy(trial) >= (self.min_accuracy or 0.0)

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        """Return the winner among the trials of a search; None where none meets the constraints.

        It is the smallest confirmed network, or else the likeliest of those undecided, or the smallest that
        passed; or the most accurate training. A search for a front has no winner.
        """
        passed = [trial for trial in trials if self.passed(trial)]
        if self.aim.objectives > 1:
            return None
        if self.aim.minimise is None:
            return max(passed, key=lambda t: (accuracy(t), -t.number), default=None)
        return min(passed, key=self._rank, default=None)

    def _rank(self, trial: Trial) -> tuple[float, float, float, int]:
        """Sort networks that passed, the best first."""
        place = _BEST_FIRST[trial.verdict]
        doubt = 1 - (trial.probability or 0.0) if trial.verdict == "undecided" else 0.0
        return place, doubt, self.size(trial), trial.number

    def _evaluation(self, network: NetworkSize, error: float, constraints: tuple[float, ...]) -> Evaluation:
        if self.aim.minimise is None:
            return Evaluation(error, constraints)
        others = (error,) if self.aim.objectives > 1 else ()
        return Evaluation(float(self.size(network)), constraints, others=others)

    def _excess(self, network: NetworkSize) -> tuple[float, ...]:
        """Return the share over each limit, 0 or less where a network keeps to it."""
        return tuple(size(network, name) / most - 1.0 for name, most in self.aim.limits.items())

    def _untrained(self, network: NetworkSize) -> Evaluation:
        bound = () if self.min_accuracy is None else (0.0,)
        return self._evaluation(network, 1.0, (*bound, *self._excess(network)))

    @property
    def _base_within_limits(self) -> NetworkSize | None:
        if self.base is None or any(share > 0 for share in self._excess(self.base)):
            return None
        return self.base


def accuracy(trial: Trial) -> float:
    """Return the accuracy of a trial, 0 where it has none."""
    return trial.val_accuracy or 0.0

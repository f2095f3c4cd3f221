"""The optimization problem of a search: smallest accurate network, most accurate network, or Pareto front.

A formulation turns a point into training settings, and a measurement into objectives and constraints. Sizes
are known before training, so a point that cannot be the answer is skipped without training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.spec.objective import NetworkSize, Objective, amount_text, size
from orchestrator.spec.problem import Evaluation, Problem
from orchestrator.spec.trial_config import Choices
from results.db.tables import Trial
from search_spaces import Point, Space

_BEST_FIRST = {
    "confirmed": 0,
    "undecided": 1,
    None: 2,
}  # the verdicts of networks that met the required accuracy


@dataclass(frozen=True)
class Screened:
    """A candidate skipped before training: what the solver is told, why, and the trial that is smaller, if
    any.
    """

    answer: Evaluation
    why: str
    by: Trial | None = None


@dataclass(frozen=True)
class Formulation:
    """An objective over a space of networks.

    The first objective is the size to minimise, or else the error (1 - accuracy). With both, the error is
    the second objective. The constraints are the shortfall of accuracy, if there is a required accuracy, and
    then for each limit the fraction by which a network exceeds it.

    choice: turns a point into the settings of its training
    min_accuracy: the required accuracy, a fraction; None: there is none
    base: the base network, if the required accuracy is its own
    """

    space: Space
    start: Point
    choice: Callable[[Point], Choices]
    aim: Objective
    min_accuracy: float | None = None
    base: NetworkSize | None = None

    @property
    def confirms(self) -> bool:
        """Whether candidates are retrained during the search, to confirm that they reach the required
        accuracy.
        """
        return self.min_accuracy is not None and self.aim.objectives == 1

    def problem(self, block: int, seed: int) -> Problem:
        constraints = (self.min_accuracy is not None) + len(self.aim.limits)
        return Problem(self.space, self.start, block, constraints, seed, self.aim.objectives)

    def evaluation(self, network: NetworkSize, val_accuracy: float) -> Evaluation:
        """Return what the solver is told of a completed trial."""
        missed = () if self.min_accuracy is None else (self.min_accuracy - val_accuracy,)
        return self._evaluation(network, 1.0 - val_accuracy, (*missed, *self._excess(network)))

    def screened(self, network: NetworkSize, incumbent: Trial | None) -> Screened | None:
        """Return the answer to a point that need not be trained, None for one that must be.

        Skipped are points over a limit, and points not smaller than a network known to meet all constraints:
        the base network, or a confirmed one (`incumbent`). A network that met the required accuracy only
        once does not count, since it may have been lucky and would hide all larger ones.

        Sizes in the answer are true. An unknown accuracy is given as an error of 1, or as a constraint of
        exactly 0.
        """
        for name, most in self.aim.limits.items():
            if size(network, name) > most:
                why = f"too large: {amount_text(size(network, name), name)}"
                return Screened(self._untrained(network), why)
        known = incumbent or self._base_within_limits
        if self.aim.minimise is None or self.aim.objectives > 1 or known is None:
            return None
        if self.size(network) < self.size(known):
            return None
        known_as = f"trial {incumbent.number}" if incumbent else "the base"
        why = f"not smaller than {known_as}: {amount_text(self.size(network), self.aim.minimise)}"
        return Screened(self._untrained(network), why, incumbent)

    def size(self, network: NetworkSize) -> float:
        """Return the size that is minimised."""
        assert self.aim.minimise is not None
        return size(network, self.aim.minimise)

    def hurdle(self, trials: Sequence[Trial]) -> float | None:
        """Return the accuracy that a training needs to be of use after `trials`; None if any accuracy may be.

        For a Pareto front it depends on the network's size, so it is None.
        """
        if self.min_accuracy is not None or self.aim.objectives > 1:
            return self.min_accuracy
        best = self.best(trials)
        return None if best is None else accuracy(best)

    def passed(self, trial: Trial) -> bool:
        """Whether a trial of the search met the required accuracy and was not rejected since."""
        is_trained = trial.purpose == "search" and trial.state == "completed"
        return is_trained and trial.verdict != "rejected" and accuracy(trial) >= (self.min_accuracy or 0.0)

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        """Return the winner among the trials of a search; None if none meets the constraints.

        With a required accuracy it is the smallest confirmed network, or else the likeliest undecided one,
        or else the smallest that met it once. Otherwise it is the most accurate training. A search for a
        Pareto front has no winner.
        """
        passed = [trial for trial in trials if self.passed(trial)]
        if self.aim.objectives > 1:
            return None
        if self.aim.minimise is None:
            return max(passed, key=lambda t: (accuracy(t), -t.number), default=None)
        return min(passed, key=self._rank, default=None)

    def _rank(self, trial: Trial) -> tuple[float, float, float, int]:
        """Return a sort key for networks that met the required accuracy, the best first."""
        place = _BEST_FIRST[trial.verdict]
        doubt = 1 - (trial.probability or 0.0) if trial.verdict == "undecided" else 0.0
        return place, doubt, self.size(trial), trial.number

    def _evaluation(self, network: NetworkSize, error: float, constraints: tuple[float, ...]) -> Evaluation:
        if self.aim.minimise is None:
            return Evaluation(error, constraints)
        others = (error,) if self.aim.objectives > 1 else ()
        return Evaluation(float(self.size(network)), constraints, others=others)

    def _excess(self, network: NetworkSize) -> tuple[float, ...]:
        """Return the fraction over each limit, 0 or less if a network is within it."""
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
    """Return the accuracy of a trial, 0 if it has none."""
    return trial.val_accuracy or 0.0

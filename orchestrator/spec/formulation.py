"""The optimization problem of a search: smallest accurate network, most accurate network, or Pareto front.

A formulation turns a point into training settings, and a measurement into objectives and constraints. By what
is known before training it skips a point that cannot be the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.executors import ExecutorError
from orchestrator.spec.objective import Objective, amount_of
from orchestrator.spec.problem import Evaluation, Problem
from orchestrator.spec.trial_config import Choices
from orchestrator.trainer_client import NetworkInfo
from results.db.tables import Trial
from results.metrics import METRICS, Metric
from search_spaces import Point, Space

_BEST_FIRST = {"confirmed": 0, "undecided": 1, None: 2}  # verdicts of those that met the required accuracy
LATENCY_FAILED = "latency"  # the reason of a candidate whose latency could not be measured
Network = NetworkInfo | Trial


@dataclass(frozen=True)
class Screened:
    """A candidate skipped before training: what the solver is told, why, and the trial that is smaller.

    reason: one word, for SQL, where it is skipped for a failure
    """

    answer: Evaluation
    why: str
    by: Trial | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Formulation:
    """An objective over a space of networks.

    The first objective is the metric to minimise, or else the error (1 - accuracy), or a script's number as
    `Score.loss` has it. With both, the error is the second objective. The constraints are the shortfall of
    accuracy, if there is a required accuracy, and then for each limit the fraction by which a network exceeds
    it.

    choice: turns a point into the settings of its training
    min_accuracy: the required accuracy, a fraction; None: there is none
    base: the base network, if the required accuracy is its own; once it is trained, its first training
    """

    space: Space
    start: Point
    choice: Callable[[Point], Choices]
    aim: Objective
    min_accuracy: float | None = None
    base: Network | None = None

    @property
    def confirms(self) -> bool:
        """Whether candidates are retrained during the search, to confirm that they reach the accuracy."""
        return self.min_accuracy is not None and self.aim.objectives == 1

    def problem(self, block: int, seed: int) -> Problem:
        constraints = (self.min_accuracy is not None) + len(self.aim.limits)
        return Problem(self.space, self.start, block, constraints, seed, self.aim.objectives)

    def merit(self, trial: Trial) -> float:
        """Return what trials are ranked by: more is better."""
        return self.aim.sought.merit(sought_value(trial))

    def evaluation(self, network: Network, val_accuracy: float) -> Evaluation:
        """Return what the solver is told of a trained network: a failure if what it asks was not measured."""
        if any(amount_of(network, metric) is None for metric in self.aim.metrics):
            return Evaluation.failure()
        error = self.aim.sought.loss(val_accuracy)
        return self._answer(network, error, (self.min_accuracy or 0.0) - val_accuracy)

    def screened(self, network: Network, incumbent: Trial | None) -> Screened | None:
        """Return the answer to a point that need not be trained, None for one that must be.

        Skipped are points over a limit, and points not smaller than a network known to meet all constraints:
        the base network, or a confirmed one (`incumbent`). A network that met the required accuracy only
        once does not count, since it may have been lucky and would hide all larger ones.

        A point whose network could not be measured is skipped as failed.

        Sizes in the answer are true. An unknown accuracy is given as an error of 1, or as a constraint of
        exactly 0, as is a limit on what only a training tells. An objective that only a training tells is
        given as that of the known network.
        """
        if isinstance(network, NetworkInfo) and network.latency_failure:
            return Screened(Evaluation.failure(screened=True), network.latency_failure, reason=LATENCY_FAILED)
        known = incumbent or self._base_within_limits
        for name, most in self.aim.limits.items():
            amount = amount_of(network, METRICS[name])
            if amount is not None and amount > most:
                return Screened(
                    self._answer(network, 1.0, 0.0, known), f"too large: {METRICS[name].text(amount)}"
                )
        if self.aim.minimise is None or self.aim.objectives > 1 or known is None:
            return None
        metric = METRICS[self.aim.minimise]
        amount = amount_of(network, metric)
        if amount is None or amount < self.size(known):
            return None
        known_as = f"trial {incumbent.number}" if incumbent else "the base"
        why = f"not smaller than {known_as}: {metric.text(amount)}"
        return Screened(self._answer(network, 1.0, 0.0, known), why, incumbent)

    def find_rival(self, incumbent: Trial | None) -> Network | None:
        """Return the network that another one must be smaller than; None if there is none."""
        if self.aim.minimise is None or self.aim.objectives > 1:
            return None
        return incumbent or self._base_within_limits

    def keeps_limits(self, network: Network) -> bool:
        """Whether a network is within the limits, as far as that is known of it."""
        return all(share <= 0 for share in self._excess(network))

    def size(self, network: Network) -> float:
        """Return the amount that is minimised, which must be known."""
        assert self.aim.minimise is not None
        amount = amount_of(network, METRICS[self.aim.minimise])
        assert amount is not None, f"no {self.aim.minimise} is known of {network}"
        return amount

    def check_measured(self, rows: Iterable[Trial]) -> None:
        """Raise ExecutorError if trainings have ended and none of them has a metric that is asked."""
        trained = [row for row in rows if row.state == "completed"]
        for metric in self._measured:
            if trained and all(amount_of(row, metric) is None for row in trained):
                raise ExecutorError(
                    f"no training's {metric.noun} could be measured here (docs/formulations.md); "
                    f"omit --minimise {metric.name} and {metric.option}"
                )

    def hurdle(self, trials: Sequence[Trial]) -> float | None:
        """Return the accuracy that a training needs to be of use after `trials`; None if any accuracy may be.

        For a Pareto front it depends on the network's size, so it is None.
        """
        if self.min_accuracy is not None or self.aim.objectives > 1:
            return self.min_accuracy
        best = self.best(trials)
        return None if best is None else accuracy(best)

    def passed(self, trial: Trial) -> bool:
        """Whether a trial of the search met the constraints and was not rejected since."""
        is_trained = trial.purpose == "search" and trial.state == "completed"
        # by the model of accuracy one may be likely to reach it whose first training did not
        is_likely = trial.verdict in ("confirmed", "undecided")
        is_met = is_likely or self.min_accuracy is None or accuracy(trial) >= self.min_accuracy
        is_accurate = trial.verdict != "rejected" and is_met
        return is_trained and is_accurate and self.holds_after_training(trial)

    def holds_after_training(self, trial: Trial) -> bool:
        """Whether a trained network keeps the limits, and betters the base, by what only training tells."""
        for metric in self._measured:
            amount = amount_of(trial, metric)
            if amount is None or amount > self.aim.limits.get(metric.name, math.inf):
                return False
            least = None if self.base is None else amount_of(self.base, metric)
            if metric.name == self.aim.minimise and least is not None and amount >= least:
                return False
        return True

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
            return max(passed, key=lambda t: (self.merit(t), -t.number), default=None)
        return min(passed, key=self._rank, default=None)

    def _rank(self, trial: Trial) -> tuple[float, float, float, int]:
        """Return a sort key for networks that met the required accuracy, the best first."""
        place = _BEST_FIRST[trial.verdict]
        doubt = 1 - (trial.probability or 0.0) if trial.verdict == "undecided" else 0.0
        return place, doubt, self.size(trial), trial.number

    @property
    def _measured(self) -> list[Metric]:
        """The metrics of the objective that are known only after training."""
        return [metric for metric in self.aim.metrics if metric.known == "after"]

    def _answer(
        self, network: Network, error: float, missed: float, known: Network | None = None
    ) -> Evaluation:
        """Return what the solver is told. `known`: the network whose objective stands for an unknown one."""
        constraints = (*(() if self.min_accuracy is None else (missed,)), *self._excess(network))
        if self.aim.minimise is None:
            return Evaluation(error, constraints)
        amounts = (amount_of(one, METRICS[self.aim.minimise]) for one in (network, known) if one is not None)
        objective = next((amount for amount in amounts if amount is not None), 0.0)
        others = (error,) if self.aim.objectives > 1 else ()
        return Evaluation(float(objective), constraints, others=others)

    def _excess(self, network: Network) -> tuple[float, ...]:
        """Return the fraction over each limit, 0 or less if a network is within it, or if it is not known."""
        amounts = [(amount_of(network, METRICS[name]), most) for name, most in self.aim.limits.items()]
        return tuple(0.0 if amount is None else amount / most - 1.0 for amount, most in amounts)

    @property
    def _base_within_limits(self) -> Network | None:
        return self.base if self.base is not None and self.keeps_limits(self.base) else None


def accuracy(trial: Trial) -> float:
    """Return the accuracy of a trial, or the score that its study seeks in its place; 0 if it has none."""
    return sought_value(trial) or 0.0


def sought_value(trial: Trial) -> float | None:
    """Return the same, None if it has none."""
    return trial.val_accuracy if trial.score is None else trial.score

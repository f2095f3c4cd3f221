"""A model of all answers so far, and the points that it finds most promising.

The objective and each constraint have a Gaussian process, and so has failing. A point's merit is the
improvement that is expected of it, times the probability that it succeeds and its constraints hold
(Schonlau, Welch and Jones 1998). A screened answer is only half known: one that is feasible has
true objective and a stand-in for its constraints, one that is not the other way round.
"""

import math
import random
from collections.abc import Sequence

import numpy as np
from scipy.special import log_ndtr

from orchestrator.problem import Evaluation, Problem
from orchestrator.solvers._answers import Answers
from orchestrator.solvers._candidates import Candidates
from orchestrator.solvers._gaussian import Array, Process, fitted
from search_spaces import Point

MOST_POINTS = 160  # that a model is made of: the last ones
ITERATIONS = 12  # of a fit, which begins from the last one's result
GROWTH = 1.07  # of the number of points, until the hyperparameters are fitted again


class Surrogate:
    """The model of one problem's answers."""

    def __init__(self, problem: Problem, answers: Answers) -> None:
        self._problem = problem
        self._answers = answers
        self._candidates = Candidates(problem.space)
        self._logs: dict[str, Array] = {}  # of the last fits, by what was modelled
        self._fitted_at: dict[str, int] = {}  # and of how many points they were

    def promising(self, rng: random.Random, pending: Sequence[Point], count: int) -> list[Point]:
        """The `count` points not known nor pending that promise most; fewer where there are no more.

        Each is chosen as if those before it and the pending ones had brought what the model expects.
        """
        model = self._model()
        if model is None:
            return []
        model = model.believing(self._candidates.features(list(pending))) if pending else model
        chosen: list[Point] = []
        while len(chosen) < count:
            best = self._candidates.best(
                model.merits, self._known_best(), rng, {*pending, *chosen}, self._answers
            )
            if best is None:
                break
            chosen.append(best)
            model = model.believing(self._candidates.features([best]))
        return chosen

    def ordered(self, points: list[Point]) -> list[Point]:
        """The points, those that promise most first."""
        model = self._model() if len(points) > 1 else None
        if model is None:
            return points
        merits = model.merits(self._candidates.features(points))
        return [points[index] for index in np.argsort(-merits, kind="stable")]

    def _known_best(self) -> Point:
        return self._answers.best()

    def _model(self) -> "_Model | None":
        """The model of the answers at hand; None while too few succeeded."""
        succeeded = [point for point in self._answers if not self._answers[point].failed]
        with_objective = [p for p in succeeded if not _assumed_objective(self._answers[p])]
        with_constraints = [p for p in succeeded if not _assumed_constraints(self._answers[p])]
        if len(with_objective) < 2 or len(with_constraints) < 2:
            return None
        objectives = np.array([self._answers[p].objective for p in with_objective[-MOST_POINTS:]])
        in_logs = bool(objectives.min() > 0)
        objective = self._fit("objective", with_objective, np.log(objectives) if in_logs else objectives)
        constraints = [
            self._fit(str(k), with_constraints, self._constraint(with_constraints, k))
            for k in range(self._problem.constraints)
        ]
        if len(succeeded) < len(self._answers):
            everything = list(self._answers)
            failing = [1.0 if self._answers[p].failed else -1.0 for p in everything[-MOST_POINTS:]]
            constraints.append(self._fit("failing", everything, np.array(failing)))
        return _Model(objective, constraints, self._to_beat(objective))

    def _constraint(self, points: list[Point], index: int) -> Array:
        return np.array([self._answers[p].constraints[index] for p in points[-MOST_POINTS:]])

    def _to_beat(self, objective: Process) -> float | None:
        """What the model takes the best feasible objective to be; None where nothing is feasible.

        The expected values are compared and not the answers, of which the least may be the luckiest.
        """
        feasible = [point for point in self._answers if self._answers[point].feasible]
        if not feasible:
            return None
        return float(objective.predict(self._candidates.features(feasible))[0].min())

    def _fit(self, what: str, points: list[Point], values: Array) -> Process:
        known = self._candidates.features(points[-MOST_POINTS:])
        due = len(points) > GROWTH * self._fitted_at.get(what, 0)
        if due:
            self._fitted_at[what] = len(points)
        iterations = ITERATIONS if due else 0
        process = fitted(known, values, self._candidates.groups, self._logs.get(what), iterations)
        self._logs[what] = process.logs
        return process


def _assumed_objective(answer: Evaluation) -> bool:
    return answer.screened and not answer.feasible


def _assumed_constraints(answer: Evaluation) -> bool:
    return answer.screened and answer.feasible


class _Model:
    """Processes of the objective and of what must be 0 or less, and the objective to beat."""

    def __init__(self, objective: Process, constraints: list[Process], to_beat: float | None) -> None:
        self._objective = objective
        self._constraints = constraints
        self._to_beat = to_beat

    def merits(self, points: Array) -> Array:
        """Logarithms of the merits of points [m, columns]; the probability alone while none is feasible."""
        merits = np.zeros(len(points))
        for constraint in self._constraints:
            mean, spread = constraint.predict(points)
            merits += log_ndtr(-mean / spread)
        if self._to_beat is not None:
            merits += _log_expected_improvement(*self._objective.predict(points), self._to_beat)
        elif not self._constraints:
            merits -= self._objective.predict(points)[0]
        return merits

    def believing(self, points: Array) -> "_Model":
        """The model, told that everything at `points` is as it expects."""
        constraints = [constraint.believing(points) for constraint in self._constraints]
        return _Model(self._objective.believing(points), constraints, self._to_beat)


def _log_expected_improvement(mean: Array, spread: Array, to_beat: float) -> Array:
    """Jones, Schonlau and Welch (1998), equation 15, as a logarithm that does not underflow."""
    better = (to_beat - mean) / spread
    density = np.exp(-0.5 * np.maximum(better, -8.0) ** 2) / math.sqrt(2 * math.pi)
    inner = np.maximum(better, -8.0) * np.exp(log_ndtr(np.maximum(better, -8.0))) + density
    far = -0.5 * better**2 - 2 * np.log(np.maximum(-better, 1.0)) - 0.5 * math.log(2 * math.pi)
    return np.asarray(np.where(better > -8.0, np.log(np.maximum(inner, 1e-300)), far) + np.log(spread))

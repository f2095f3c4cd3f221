"""A model of all answers so far, and the points that it finds most promising.

Each objective and each constraint has a Gaussian process, and so has failing. A point's merit is the
improvement that is expected of it, times the probability that it succeeds and its constraints hold
(Schonlau, Welch and Jones 1998); of two objectives it is their hypervolume that improves. A screened
answer is only half known: one that is feasible has true objective and a stand-in for its constraints,
one that is not the other way round.
"""

import math
import random
from collections.abc import Sequence

import numpy as np
from scipy.special import log_ndtr

from orchestrator.solvers._acquisition import AcquisitionCandidates
from orchestrator.solvers._gaussian_process import Array, GaussianProcess, fit_process
from orchestrator.solvers._history import AnswerHistory, objectives
from orchestrator.solvers._hypervolume import expected_improvement, front_of
from orchestrator.spec.problem import Evaluation, Problem
from search_spaces import Point

MOST_POINTS = 160  # that a model is made of: the last ones
ITERATIONS = 12  # of a fit, which begins from the last one's result
MARGIN = 0.1  # of the objectives' ranges: how far beyond the front its hypervolume is measured
GROWTH = 1.07  # of the number of points, until the hyperparameters are fitted again


class Surrogate:
    """The model of one problem's answers."""

    def __init__(self, problem: Problem, answers: AnswerHistory) -> None:
        self._problem = problem
        self._answers = answers
        self._candidates = AcquisitionCandidates(problem.space)
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
                model.merits, self._answers.front(), rng, {*pending, *chosen}, self._answers
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

    def _model(self) -> "_Model | None":
        """The model of the answers at hand; None while too few succeeded."""
        succeeded = [point for point in self._answers if not self._answers[point].failed]
        with_objective = [p for p in succeeded if not _assumed_objective(self._answers[p])]
        each = range(self._problem.constraints)
        with_constraint = [[p for p in succeeded if not _assumed(self._answers[p], k)] for k in each]
        if min(map(len, (with_objective, *with_constraint))) < 2:
            return None
        aims = [self._aim(with_objective, k) for k in range(self._problem.objectives)]
        constraints = [
            self._fit(str(k), points, self._constraint(points, k)) for k, points in enumerate(with_constraint)
        ]
        if len(succeeded) < len(self._answers):
            everything = list(self._answers)
            failing = [1.0 if self._answers[p].failed else -1.0 for p in everything[-MOST_POINTS:]]
            constraints.append(self._fit("failing", everything, np.array(failing)))
        return _Model(aims, constraints, self._to_beat(aims))

    def _aim(self, points: list[Point], index: int) -> GaussianProcess:
        """The process of one objective, of its logarithm where it is positive."""
        values = np.array([objectives(self._answers[p])[index] for p in points[-MOST_POINTS:]])
        name = f"objective {index}" if index else "objective"
        return self._fit(name, points, np.log(values) if values.min() > 0 else values)

    def _constraint(self, points: list[Point], index: int) -> Array:
        return np.array([self._answers[p].constraints[index] for p in points[-MOST_POINTS:]])

    def _to_beat(self, aims: list[GaussianProcess]) -> Array | None:
        """What the model takes the feasible points' objectives to be, [n, objectives]; None where none is.

        The expected values are compared and not the answers, of which the least may be the luckiest.
        """
        feasible = [point for point in self._answers if self._answers[point].feasible]
        if not feasible:
            return None
        features = self._candidates.features(feasible)
        return np.stack([aim.predict(features)[0] for aim in aims], axis=1)

    def _fit(self, what: str, points: list[Point], values: Array) -> GaussianProcess:
        known = self._candidates.features(points[-MOST_POINTS:])
        due = len(points) > GROWTH * self._fitted_at.get(what, 0)
        if due:
            self._fitted_at[what] = len(points)
        iterations = ITERATIONS if due else 0
        process = fit_process(known, values, self._candidates.groups, self._logs.get(what), iterations)
        self._logs[what] = process.logs
        return process


def _assumed_objective(answer: Evaluation) -> bool:
    return answer.screened and not answer.feasible


def _assumed(answer: Evaluation, constraint: int) -> bool:
    """Whether this constraint of an answer is a stand-in; of an infeasible one those of exactly 0 are."""
    return answer.screened and (answer.feasible or answer.constraints[constraint] == 0)


class _Model:
    """Processes of one or two objectives and of what must be 0 or less, and the objectives to beat."""

    def __init__(
        self, aims: list[GaussianProcess], constraints: list[GaussianProcess], to_beat: Array | None
    ) -> None:
        self._aims = aims
        self._constraints = constraints
        self._to_beat = to_beat

    def merits(self, points: Array) -> Array:
        """Logarithms of the merits of points [m, columns]; the probability alone while none is feasible."""
        merits = np.zeros(len(points))
        for constraint in self._constraints:
            mean, spread = constraint.predict(points)
            merits += log_ndtr(-mean / spread)
        if self._to_beat is not None:
            merits += self._improvement(points, self._to_beat)
        elif not self._constraints:
            merits -= self._aims[0].predict(points)[0]
        return merits

    def _improvement(self, points: Array, to_beat: Array) -> Array:
        """Logarithms of the expected improvement; of two objectives that of the hypervolume."""
        if len(self._aims) == 1:
            return _log_expected_improvement(*self._aims[0].predict(points), float(to_beat.min()))
        front = front_of(to_beat)
        worst = front.max(axis=0) + MARGIN * np.ptp(to_beat, axis=0)
        means, spreads = zip(*(aim.predict(points) for aim in self._aims), strict=True)
        expected = expected_improvement(np.stack(means, axis=1), np.stack(spreads, axis=1), front, worst)
        return np.asarray(np.log(np.maximum(expected, 1e-300)))

    def believing(self, points: Array) -> "_Model":
        """The model, told that everything at `points` is as it expects."""
        constraints = [constraint.believing(points) for constraint in self._constraints]
        aims = [aim.believing(points) for aim in self._aims]
        to_beat = self._to_beat
        if to_beat is not None and len(aims) > 1:
            to_beat = np.concatenate([to_beat, np.stack([a.predict(points)[0] for a in aims], axis=1)])
        return _Model(aims, constraints, to_beat)


def _log_expected_improvement(mean: Array, spread: Array, to_beat: float) -> Array:
    """Jones, Schonlau and Welch (1998), equation 15, as a logarithm that does not underflow."""
    better = (to_beat - mean) / spread
    density = np.exp(-0.5 * np.maximum(better, -8.0) ** 2) / math.sqrt(2 * math.pi)
    inner = np.maximum(better, -8.0) * np.exp(log_ndtr(np.maximum(better, -8.0))) + density
    far = -0.5 * better**2 - 2 * np.log(np.maximum(-better, 1.0)) - 0.5 * math.log(2 * math.pi)
    return np.asarray(np.where(better > -8.0, np.log(np.maximum(inner, 1e-300)), far) + np.log(spread))

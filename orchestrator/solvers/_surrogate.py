"""A model of all answers so far, and the points that it finds most promising.

Each objective and each constraint has a Gaussian process, and so has failure. A point's merit is its expected
improvement, times the probability that it succeeds and its constraints hold (Schonlau, Welch and Jones 1998);
with two objectives, the expected improvement of their hypervolume. Half of a screened answer is a stand-in:
the constraints of a feasible one, the objective of an infeasible one.
"""

import math
import random
from collections.abc import Sequence

import numpy as np
from scipy.special import log_ndtr

from orchestrator.solvers._acquisition import AcquisitionCandidates
from orchestrator.solvers._gaussian_process import Array, GaussianProcess, fit_process, squash
from orchestrator.solvers._history import AnswerHistory, objectives
from orchestrator.spec.problem import Evaluation, Problem
from search_spaces import Point

MOST_POINTS = 160  # that a model is made of: the last ones
ITERATIONS = 12  # of a fit, which begins from the last one's result
MARGIN = 0.1  # of the objectives' ranges: how far beyond the front the hypervolume's reference lies
GROWTH = 1.07  # of the number of points, until the hyperparameters are fitted again
CLEARLY = 10.0  # by how much the logarithm of a likelihood must be greater
LARGEST = 1e100  # objectives are scaled beyond it: the squares of such numbers are infinite


class Surrogate:
    """The model of one problem's answers.

    promise: the fraction of the objective that the last proposal was expected to save; 1 before there is one
    """

    def __init__(self, problem: Problem, answers: AnswerHistory) -> None:
        self._problem = problem
        self._answers = answers
        self._candidates = AcquisitionCandidates(problem.space)
        if problem.earlier:
            self._candidates.add_earlier(problem)
        self._logs: dict[str, Array] = {}  # of the last fits, by what was modelled
        self._fitted_at: dict[str, int] = {}  # and of how many points they were
        self.promise = 1.0

    def propose(self, rng: random.Random, pending: Sequence[Point], count: int) -> list[Point]:
        """Return the `count` most promising points that are neither known nor pending; fewer at the end.

        Each is chosen as if those before it and the pending ones had the values that the model expects.
        """
        model = self._fit_model()
        if model is None:
            return []
        if pending:
            model = model.condition_on_expected(self._candidates.features(list(pending)))
        chosen: list[Point] = []
        while len(chosen) < count:
            taken = {*pending, *chosen}
            best = self._candidates.find_best(model.merits, self._answers.front(), rng, taken, self._answers)
            if best is None:
                break
            features = self._candidates.features([best])
            if not chosen and model.has_to_beat:
                self.promise = math.exp(min(0.0, model.merits(features)[0]))
            chosen.append(best)
            model = model.condition_on_expected(features)
        return chosen

    def order(self, points: list[Point]) -> list[Point]:
        """Return the points, the most promising first."""
        model = self._fit_model() if len(points) > 1 else None
        if model is None:
            return points
        merits = model.merits(self._candidates.features(points))
        return [points[index] for index in np.argsort(-merits, kind="stable")]

    def _fit_model(self) -> "_Model | None":
        """Return the model of all answers; None while too few succeeded."""
        succeeded = {point: answer for point, answer in self._answers.items() if not answer.failed}
        with_objective = [p for p, answer in succeeded.items() if not answer.screened or answer.feasible]
        each = range(self._problem.constraints)
        with_constraint = [[p for p in succeeded if not _is_assumed(succeeded[p], k)] for k in each]
        if min(map(len, (with_objective, *with_constraint))) < 2:
            return None
        aims = [self._fit_objective(with_objective, k) for k in range(self._problem.objectives)]
        constraints = []
        for k, points in enumerate(with_constraint):
            values = np.array([succeeded[p].constraints[k] for p in points[-MOST_POINTS:]])
            constraints.append(self._fit_constraint(str(k), points, values))
        if len(succeeded) < len(self._answers):
            everything = list(self._answers)
            failing = [1.0 if self._answers[p].failed else -1.0 for p in everything[-MOST_POINTS:]]
            constraints.append(self._fit("failing", everything, np.array(failing)))
        return _Model(aims, constraints, self._expect_feasible(aims))

    def _fit_constraint(self, what: str, points: list[Point], values: Array) -> GaussianProcess:
        """Return the process of a constraint, or of the squashed one if that is clearly likelier."""
        process = self._fit(what, points, values)
        if self._problem.version < 2:
            return process
        squashed, log_slopes = squash(values)
        other = self._fit(f"squashed {what}", points, squashed)
        gain = other.log_likelihood + log_slopes - process.log_likelihood
        return other if gain > CLEARLY else process

    def _fit_objective(self, points: list[Point], index: int) -> GaussianProcess:
        """Return the process of one objective, or of its logarithm if all values are positive."""
        values = np.array([objectives(self._answers[p])[index] for p in points[-MOST_POINTS:]])
        largest = float(np.abs(values).max())
        values = values / largest if largest > LARGEST else values
        name = f"objective {index}" if index else "objective"
        return self._fit(name, points, np.log(values) if values.min() > 0 else values)

    def _expect_feasible(self, aims: list[GaussianProcess]) -> Array | None:
        """Return the objectives expected of the feasible points, [n, objectives]; None without any.

        The least of the answers themselves may be the one with the luckiest noise.
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


def _is_assumed(answer: Evaluation, constraint: int) -> bool:
    """Return whether this constraint of an answer is a stand-in, as those of 0 are if it is infeasible."""
    return answer.screened and (answer.feasible or answer.constraints[constraint] == 0)


class _Model:
    """Processes of one or two objectives and of what must be 0 or less, and the objectives to beat."""

    def __init__(
        self, aims: list[GaussianProcess], constraints: list[GaussianProcess], to_beat: Array | None
    ) -> None:
        self._aims = aims
        self._constraints = constraints
        self._to_beat = to_beat

    @property
    def has_to_beat(self) -> bool:
        """Whether there are feasible answers, so that merits are about improvements on them."""
        return self._to_beat is not None

    def merits(self, points: Array) -> Array:
        """Return log merits of points [m, columns]; the log probability while none is feasible."""
        merits = np.zeros(len(points))
        for constraint in self._constraints:
            mean, spread = constraint.predict(points)
            merits += log_ndtr(-mean / spread)
        if self._to_beat is not None:
            merits += self._log_improvement(points, self._to_beat)
        elif not self._constraints:
            merits -= self._aims[0].predict(points)[0]
        return merits

    def _log_improvement(self, points: Array, to_beat: Array) -> Array:
        """Return logarithms of the expected improvement; with two objectives, of the hypervolume's."""
        if len(self._aims) == 1:
            return _log_expected_improvement(*self._aims[0].predict(points), float(to_beat.min()))
        front = front_of(to_beat)
        worst = front.max(axis=0) + MARGIN * np.ptp(to_beat, axis=0)
        means, spreads = zip(*(aim.predict(points) for aim in self._aims), strict=True)
        expected = expected_improvement(np.stack(means, axis=1), np.stack(spreads, axis=1), front, worst)
        return np.asarray(np.log(np.maximum(expected, 1e-300)))

    def condition_on_expected(self, points: Array) -> "_Model":
        """Return the model, conditioned on the values that it expects at `points`."""
        constraints = [constraint.condition_on_expected(points) for constraint in self._constraints]
        aims = [aim.condition_on_expected(points) for aim in self._aims]
        to_beat = self._to_beat
        if to_beat is not None and len(aims) > 1:
            to_beat = np.concatenate([to_beat, np.stack([a.predict(points)[0] for a in aims], axis=1)])
        return _Model(aims, constraints, to_beat)


def _log_expected_improvement(mean: Array, spread: Array, to_beat: float) -> Array:
    """Return equation 15 of Jones, Schonlau and Welch (1998), as a logarithm that does not underflow."""
    better = (to_beat - mean) / spread
    density = np.exp(-0.5 * np.maximum(better, -8.0) ** 2) / math.sqrt(2 * math.pi)
    inner = np.maximum(better, -8.0) * np.exp(log_ndtr(np.maximum(better, -8.0))) + density
    far = -0.5 * better**2 - 2 * np.log(np.maximum(-better, 1.0)) - 0.5 * math.log(2 * math.pi)
    return np.asarray(np.where(better > -8.0, np.log(np.maximum(inner, 1e-300)), far) + np.log(spread))


def front_of(values: Array) -> Array:
    """Return the Pareto front [n, 2] of rows [m, 2], both columns minimised, by the first column."""
    order = np.lexsort((values[:, 1], values[:, 0]))
    kept, least = [], math.inf
    for row in values[order]:
        if row[1] < least:
            kept.append(row)
            least = row[1]
    return np.array(kept).reshape(-1, 2)


def expected_improvement(means: Array, spreads: Array, front: Array, reference: Array) -> Array:
    """Return the expected growth [m] of the hypervolume, by points of means and spreads [m, 2].

    `front` [n, 2] is as `front_of` returns it; predictions are independent and normal. The expectation is a
    sum over the strips between neighbours of the front, of products of one-dimensional expected improvements.
    Emmerich, Yang, Deutz, Wang and Fonseca, "A Multicriteria Generalization of Bayesian Global Optimization"
    (2016), section 4, with equal summands gathered.
    """
    edges = np.append(front[:, 0], reference[0])
    heights = np.insert(front[:, 1], 0, reference[1])
    widths = _expect_below(means[:, :1], spreads[:, :1], edges)
    widths = np.diff(widths, axis=1, prepend=0.0)
    return np.asarray((widths * _expect_below(means[:, 1:], spreads[:, 1:], heights)).sum(axis=1))


def _expect_below(means: Array, spreads: Array, levels: Array) -> Array:
    """Return by how much normal values [m, 1] are expected to lie below levels [n], 0 if above: [m, n]."""
    below = (levels - means) / spreads
    density = np.exp(-0.5 * below**2) / math.sqrt(2 * math.pi)
    return np.asarray(spreads * (below * np.exp(log_ndtr(below)) + density))

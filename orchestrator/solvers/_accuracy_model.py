"""A model of the accuracy of every network of a space of multipliers, made of all trainings of a search.

The accuracy of network i in replicate r is

    y_ir = m + f(x_i) + b_i + u_r + e_ir,    var(u_r) = rho s^2,    var(e_ir) = (1 - rho) s^2,

where x_i are logarithms of multipliers, f is a Gaussian process with a linear trend, b_i is the network's own
effect, and u_r is common to all networks of a replicate, which have the same images and the same seed. So
`results.analysis.difference` is the special case in which networks tell nothing of each other.

All trainings count, also the one that found a network: how trainings were chosen does not bias a posterior
that all of them are part of.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import brentq, minimize
from scipy.special import ndtr

from orchestrator.solvers._gaussian_process import BOUNDS, PRIOR_MEANS, PRIOR_SPREADS, Array, _distances
from orchestrator.spec.problem import AccuracyGoal, Ask, Training
from results.analysis.posterior import PRIOR_TRAININGS, binomial_variance
from search_spaces import Point

Features = Callable[[Sequence[Point]], Array]

ITERATIONS = 40  # of the fit
LEVEL_VARIANCE = 100.0  # of the prior of m, in units of the accuracies' variance
# priors of logarithms: of the variances of the trend and of the rest of f, in units of the accuracies'
# variance; and of the own effects' in units of s^2
TREND, MAIN, SURFACE, OWN = (0.0, 1.5), (-2.0, 1.5), (-3.5, 1.5), (math.log(0.1), 1.0)
SHARED = np.array([0.05, 0.2, 0.35, 0.5, 0.65, 0.8])  # rho, with the prior 1 - rho, as in `difference`
USUAL_SHARED = 1 / 3  # for the fit of all else
NOISE_STEPS = 0.7 * np.arange(-3.0, 6.0)  # of log s^2 around its likeliest value, in standard deviations
OWN_STEPS = np.array([-1.5, 0.0, 1.5])  # of the logarithm of the own effects' variance
SMALLEST = 1e-10  # variance, in units of the accuracies' variance
LEAST_WEIGHT = 0.03  # of a part of the mixture, relative to the likeliest one


@dataclass(frozen=True)
class _Rows:
    """Trainings as rows, in units of the accuracies' spread. A network's place is its row in `points`."""

    points: Array  # [networks, columns]
    places: NDArray[np.intp]  # [rows], of each row's network
    replicates: NDArray[np.intp]  # [rows]

    @property
    def same_network(self) -> Array:
        return np.equal.outer(self.places, self.places).astype(np.float64)

    @property
    def same_replicate(self) -> Array:
        return np.equal.outer(self.replicates, self.replicates).astype(np.float64)


@dataclass(frozen=True)
class _Parts:
    """A mixture: `surface` is common to its parts, which differ in variances. All arrays [parts].

    surface: the logarithms of the lengths, and of the variances of trend and surface
    """

    surface: Array
    own: Array
    noise: Array
    shared: Array
    weights: Array

    def invert(self, rows: _Rows) -> Array:
        """Return the inverse covariance matrices [parts, rows, rows] of trainings."""
        return np.asarray(np.linalg.inv(self.covariance(rows)), dtype=np.float64)

    def covariance(self, rows: _Rows) -> Array:
        """Return the covariance matrices [parts, rows, rows] of trainings."""
        within = _kernel(rows.points, rows.points, self.surface)[rows.places[:, None], rows.places[None]]
        common, single = self.shared * self.noise, (1 - self.shared) * self.noise
        return np.asarray(
            within
            + self.own[:, None, None] * rows.same_network
            + common[:, None, None] * rows.same_replicate
            + single[:, None, None] * np.eye(len(rows.places))
        )


@dataclass(frozen=True)
class AccuracyModel:
    """The posterior of all accuracies: a mixture of normal distributions, a part for each size of the noise.

    tried: replicates of each network, failed ones included
    failed: networks of which a training failed
    networks: the places of those with a score
    centre, spread: accuracy = centre + spread * the number in a row
    solved: [parts, rows] the inverse covariance of the rows times their accuracies
    """

    goal: AccuracyGoal
    features: Features
    tried: Mapping[Point, frozenset[int]]
    failed: frozenset[Point]
    networks: Mapping[Point, int]
    centre: float
    spread: float
    solved: Array
    _rows: _Rows
    _parts: _Parts
    _inverse: Array  # [parts, rows, rows]

    def judge(self, points: Sequence[Point]) -> tuple[Array, Array]:
        """Return mean and standard deviation [n] of accuracies less what they must be, as fractions."""
        weights, own = self._parts.weights, self._parts.own[:, None]
        smooth, single, variance = self._covary(points)
        known, told = self._sums()
        both = np.concatenate([known, own * known], axis=1)
        mean = weights @ both
        wide = np.concatenate([told, own[:, None] * told], axis=2)
        explained = np.einsum("g,gij->ij", weights, np.concatenate([wide, own[:, None] * wide], axis=1))
        explained -= np.einsum("g,gi,gj->ij", weights, both - mean, both - mean)
        covariance = np.concatenate([smooth, single], axis=1)
        variance = weights @ variance - np.einsum("ij,ij->i", covariance @ explained, covariance)
        means = covariance @ mean - self._required
        return self.spread * means, self.spread * np.sqrt(np.maximum(variance, SMALLEST))

    def probabilities(self, points: Sequence[Point]) -> Array:
        """Return the probabilities [n] that networks are as accurate as they must be."""
        means, variances = self._judge_parts(points)
        return np.asarray(self._parts.weights @ ndtr(means / np.sqrt(variances)))

    def interval(self, point: Point, level: float = 0.95) -> tuple[float, float]:
        """Return the central interval of `judge`'s difference, as fractions."""
        means, variances = (numbers[:, 0] for numbers in self._judge_parts([point]))
        errors = np.sqrt(variances)
        reach = 10 * float(errors.max())
        low, high = (
            brentq(
                lambda x, share=share: self._parts.weights @ ndtr((x - means) / errors) - share,
                float(means.min()) - reach,
                float(means.max()) + reach,
            )
            for share in ((1 - level) / 2, (1 + level) / 2)
        )
        return self.spread * float(low), self.spread * float(high)

    @property
    def shared(self) -> float:
        """The posterior mean of rho."""
        return float(self._parts.weights @ self._parts.shared)

    @property
    def noise(self) -> float:
        """The standard deviation of one training's accuracy, a fraction."""
        return self.spread * math.sqrt(float(self._parts.weights @ self._parts.noise))

    def trainings(self, point: Point) -> int:
        """Return how many trainings of a network have a score, or are assumed to have one."""
        place = self.networks.get(point)
        return 0 if place is None else int((self._rows.places == place).sum())

    def pairs(self, point: Point) -> int:
        """Return in how many replicates both this network and the base were trained."""
        base = self.goal.base
        places = [self.networks.get(one) for one in (point, base) if one is not None]
        both = [set(self._rows.replicates[self._rows.places == place]) for place in places]
        return len(set.intersection(*both)) if base is not None else 0

    def belief(self, point: Point) -> dict[str, Any]:
        """Return what is believed of a network, as JSON data. Accuracies are fractions.

        difference: from the base's accuracy, or from the required one if that is exact
        """
        allowed = 0.0 if self.goal.base is None else self.goal.tolerance
        low, high = self.interval(point)
        return {
            "probability": float(self.probabilities([point])[0]),
            "difference": float(self.judge([point])[0][0]) - allowed,
            "difference_low": low - allowed,
            "difference_high": high - allowed,
            "noise": self.noise,
            "shared_noise": self.shared,
            "pairs": self.pairs(point),
            "trainings": self.trainings(point),
        }

    def condition_on_expected(self, ask: Ask) -> AccuracyModel:
        """Return the model with one more training, of the accuracy that it expects: only doubt changes."""
        networks, points = dict(self.networks), self._rows.points
        if ask.point not in networks:
            networks[ask.point] = len(points)
            points = np.concatenate([points, self.features([ask.point])])
        rows = _Rows(
            points,
            np.append(self._rows.places, networks[ask.point]),
            np.append(self._rows.replicates, ask.replicate),
        )
        tried = {**self.tried, ask.point: self.tried.get(ask.point, frozenset()) | {ask.replicate}}
        solved = np.pad(self.solved, ((0, 0), (0, 1)))
        inverse = self._parts.invert(rows)
        return replace(self, tried=tried, networks=networks, solved=solved, _rows=rows, _inverse=inverse)

    def _judge_parts(self, points: Sequence[Point]) -> tuple[Array, Array]:
        """Return means and variances [parts, n] of what `judge` tells, in units of `spread`."""
        smooth, single, variance = self._covary(points)
        means, explained = [], []
        for own, known, told in zip(self._parts.own, *self._sums(), strict=True):
            covariance = smooth + own * single
            means.append(covariance @ known)
            explained.append(np.einsum("ij,ij->i", covariance @ told, covariance))
        return np.array(means) - self._required, np.maximum(variance - np.array(explained), SMALLEST)

    @property
    def _required(self) -> float:
        """What the difference must be at least, in units of `spread`."""
        goal = self.goal
        return (goal.bound - self.centre if goal.base is None else -goal.tolerance) / self.spread

    def _sums(self) -> tuple[Array, Array]:
        """Return `solved` [parts, networks] and the inverse [parts, networks, networks] of networks' rows."""
        sums = np.eye(len(self._rows.points))[:, self._rows.places]
        return self.solved @ sums.T, sums @ self._inverse @ sums.T

    def _covary(self, points: Sequence[Point]) -> tuple[Array, Array, Array]:
        """Return what differences have in common with the networks of rows, and their prior variances.

        The first is that of f [n, networks]; the second, of own effects, is in units of their variance; the
        variances are [parts, n].
        """
        rows, parts, base = self._rows, self._parts, self.goal.base
        features, numbers = self.features(points), np.arange(len(rows.points))
        places = np.array([self.networks.get(point, -1) for point in points])
        smooth = _kernel(features, rows.points, parts.surface)
        single = (places[:, None] == numbers).astype(float)
        variance = _variances(features, parts.surface)
        lasting = parts.noise * self.goal.overlap / (1 - self.goal.overlap)
        if base is None:
            return smooth, single, variance + (parts.own + lasting)[:, None]
        place = self.networks[base]
        here = rows.points[place][None]
        variance = (
            variance + _variances(here, parts.surface) - 2 * _kernel(features, here, parts.surface)[:, 0]
        )
        more = 2 * (parts.own + (1 - parts.shared) * lasting)
        smooth = smooth - _kernel(here, rows.points, parts.surface)
        return smooth, single - (numbers == place), variance + np.where(places == place, 0.0, more[:, None])


def fit_accuracy(trainings: Sequence[Training], goal: AccuracyGoal, features: Features) -> AccuracyModel:
    """Return the model of `trainings` and of the base's own; those without a score only say what failed.

    The lengths and the variances of f maximise the posterior. The own effects' variance, s^2 and rho are
    integrated over a grid: few trainings tell little of them, and verdicts depend on them. s^2 has the prior
    of `results.analysis.posterior`: scaled inverse chi-squared, around the binomial variance.

    features: [n, columns] of points; differences of 1 are those in which an accuracy changes much

    Raises:
        ValueError: no training has a score, or none of the base has.
    """
    every = {(one.point, one.replicate): one.score for one in (*goal.trainings, *trainings)}
    scored = {key: score for key, score in every.items() if score is not None}
    networks = {point: place for place, point in enumerate(dict.fromkeys(point for point, _ in scored))}
    if not networks or (goal.base is not None and goal.base not in networks):
        raise ValueError("a model of accuracies needs a training of the base network that succeeded")
    tried: dict[Point, frozenset[int]] = defaultdict(frozenset)
    for point, replicate in every:
        tried[point] |= {replicate}
    scores = np.array(list(scored.values()))
    centre = goal.bound if goal.base is None else goal.bound + goal.tolerance
    binomial = binomial_variance(centre, goal.images)
    spread = max(float(scores.std()), 2 * math.sqrt(binomial))
    rows = _Rows(
        features(list(networks)),
        np.array([networks[point] for point, _ in scored], dtype=np.intp),
        np.array([replicate for _, replicate in scored], dtype=np.intp),
    )
    values = (scores - centre) / spread
    parts = _fit(rows, values, binomial / spread**2)
    inverse = parts.invert(rows)
    return AccuracyModel(
        goal,
        features,
        dict(tried),
        frozenset(point for (point, _), score in every.items() if score is None),
        networks,
        centre,
        spread,
        inverse @ values,
        rows,
        parts,
        inverse,
    )


def _fit(rows: _Rows, values: Array, binomial: float) -> _Parts:
    """Return the parts of the mixture, the likeliest ones of a grid around the maximum of the posterior."""
    columns = rows.points.shape[1]
    usual = np.array(
        [PRIOR_MEANS[0] + 0.5 * math.log(columns)] * columns + [TREND[0], MAIN[0], SURFACE[0], OWN[0]]
    )
    spreads = np.array([PRIOR_SPREADS[0]] * columns + [TREND[1], MAIN[1], SURFACE[1], OWN[1]])
    begin = np.append(usual, math.log(binomial))
    begin[-2] += begin[-1]
    around = np.log(binomial)
    distances = [_distances(column[:, None], column[:, None]) for column in rows.points[rows.places].T]
    found = minimize(
        _negative_log_posterior,
        begin,
        (rows, np.array(distances), values, usual, spreads, binomial),
        jac=True,
        method="L-BFGS-B",
        bounds=[BOUNDS[0]] * columns
        + [(-8.0, 5.0), (-8.0, 5.0), (-8.0, 5.0), (around - 8, around + 8), (around - 5, around + 6)],
        options={"maxiter": ITERATIONS},
    ).x
    freedom = PRIOR_TRAININGS + len(values) - len(rows.points)
    noise = found[-1] + math.sqrt(2 / freedom) * NOISE_STEPS
    grid = np.array(np.meshgrid(found[-2] + OWN_STEPS, noise, SHARED, indexing="ij")).reshape(3, -1)
    parts = _Parts(found[:-2], np.exp(grid[0]), np.exp(grid[1]), grid[2], np.ones(grid.shape[1]))
    factors = np.linalg.cholesky(parts.covariance(rows))
    solved = np.linalg.solve(factors, np.broadcast_to(values[:, None], (*factors.shape[:2], 1)))[..., 0]
    logs = -0.5 * (solved**2).sum(1) - np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(1)
    logs -= 0.5 * ((grid[0] - grid[1] - OWN[0]) / OWN[1]) ** 2
    logs += np.log(1 - grid[2]) - 0.5 * PRIOR_TRAININGS * (grid[1] + binomial / parts.noise)
    weights = np.exp(logs - logs.max())
    kept = weights >= LEAST_WEIGHT
    own, noise, shared, weights = (
        numbers[kept] for numbers in (parts.own, parts.noise, parts.shared, weights)
    )
    return _Parts(parts.surface, own, noise, shared, weights / weights.sum())


def _negative_log_posterior(
    logs: Array, rows: _Rows, distances: Array, values: Array, usual: Array, spreads: Array, binomial: float
) -> tuple[float, Array]:
    """Return minus the logarithm of the posterior of `logs`, up to a constant, and its gradient.

    Rasmussen and Williams, Gaussian Processes for Machine Learning, equations 2.30 and 5.9.
    logs: of the lengths, and of the variances of trend, surface, own effects and noise
    distances: [columns, rows, rows], squared, in each column
    """
    columns = len(distances)
    closeness = np.exp(-2 * logs[:columns])
    at_rows = rows.points[rows.places]
    trend = math.exp(logs[-5]) * at_rows @ at_rows.T
    single = math.exp(logs[-4]) * np.exp(-0.5 * closeness[:, None, None] * distances)
    main = single.sum(axis=0)
    surface = math.exp(logs[-3]) * np.exp(-0.5 * np.tensordot(closeness, distances, 1))
    own = math.exp(logs[-2]) * rows.same_network
    identity = np.eye(len(values))
    noise = math.exp(logs[-1]) * ((1 - USUAL_SHARED) * identity + USUAL_SHARED * rows.same_replicate)
    try:
        factor = cho_factor(LEVEL_VARIANCE + trend + main + surface + own + noise, lower=True)
    except LinAlgError:
        return 1e10, np.zeros_like(logs)
    solved = cho_solve(factor, values)
    fit = np.outer(solved, solved) - cho_solve(factor, identity)
    away = (np.append(logs[:-2], logs[-2] - logs[-1]) - usual) / spreads
    excess = binomial / math.exp(logs[-1])
    value = 0.5 * values @ solved + np.log(np.diag(factor[0])).sum() + 0.5 * away @ away
    value += 0.5 * PRIOR_TRAININGS * (logs[-1] + excess)
    slopes = [-0.5 * (fit * part).sum() for part in (trend, main, surface, own, noise)]
    lengths = -0.5 * (distances * (surface + single) * fit).sum(axis=(1, 2)) * closeness
    gradient = np.array([*lengths, *slopes])
    gradient[:-1] += away / spreads
    gradient[-1] += 0.5 * PRIOR_TRAININGS * (1 - excess) - away[-1] / spreads[-1]
    return float(value), gradient


def _kernel(these: Array, those: Array, surface: Array) -> Array:
    """Return the covariances [n, m] of m + f at points."""
    scale = np.exp(-surface[:-3])
    these_scaled, those_scaled = these * scale, those * scale
    squares = (these_scaled.T[:, :, None] - those_scaled.T[:, None, :]) ** 2
    main = np.exp(surface[-2] - 0.5 * squares).sum(axis=0)
    smooth = np.exp(surface[-1] - 0.5 * squares.sum(axis=0))
    return np.asarray(LEVEL_VARIANCE + np.exp(surface[-3]) * these @ those.T + main + smooth)


def _variances(points: Array, surface: Array) -> Array:
    """Return the diagonal of the kernel."""
    constant = LEVEL_VARIANCE + (len(surface) - 3) * np.exp(surface[-2]) + np.exp(surface[-1])
    return np.asarray(constant + np.exp(surface[-3]) * (points**2).sum(1))

"""Gaussian process regression, fast enough to be fitted again after every training.

Its hyperparameters maximise the posterior and not the likelihood, which overfits with ten points in ten
variables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]

JITTER = 1e-8  # of the variance: keeps a matrix of nearly equal points invertible
BOUNDS = ((-3.0, 4.0), (-4.0, 5.0), (math.log(1e-6), 0.0))  # of the logarithms below
# of the logarithms: of a length, in which half a range times the root of the count of variables is usual
# (Hvarfner, Hellsten and Nardi, "Vanilla Bayesian Optimization Performs Great in High Dimensions", ICML 2024,
# for the root); of the variance and of the noise, both in units of the values' variance
PRIOR_MEANS, PRIOR_SPREADS = (math.log(0.5), 0.0, math.log(1e-3)), (0.8, 1.5, 1.5)


@dataclass(frozen=True)
class GaussianProcess:
    """A process with a constant mean and a squared exponential kernel, conditioned on points.

    `groups` [columns] says which variable a column of `points` [n, columns] belongs to: all columns of
    a variable share a length. `logs`: the logarithms of the lengths, of the variance and of the noise.
    """

    points: Array
    values: Array  # [n], standardised
    groups: NDArray[np.intp]
    logs: Array
    mean: float
    spread: float
    factor: Any  # of the covariance matrix, as scipy keeps it
    weights: Array  # [n]: the inverse covariance times the values

    @property
    def log_likelihood(self) -> float:
        """Of the values as they were given, up to a constant (equation 2.30)."""
        standard = -0.5 * self.values @ self.weights - np.log(np.diag(self.factor[0])).sum()
        return float(standard - len(self.values) * math.log(self.spread))

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation [m] of the noise-free value at points [m, columns]."""
        scale = np.exp(-self.logs[self.groups])
        covariance = math.exp(self.logs[-2]) * np.exp(-0.5 * _distances(points * scale, self.points * scale))
        explained = solve_triangular(self.factor[0], covariance.T, lower=True)
        variance = math.exp(self.logs[-2]) - np.einsum("nm,nm->m", explained, explained)
        means = self.mean + self.spread * (covariance @ self.weights)
        return means, self.spread * np.sqrt(np.maximum(variance, 1e-12))

    def condition_on_expected(self, points: Array) -> GaussianProcess:
        """Return the process, conditioned on the values that it expects at points [m, columns]."""
        expected = (self.predict(points)[0] - self.mean) / self.spread
        joined = np.concatenate([self.points, points])
        values = np.concatenate([self.values, expected])
        return _condition(joined, values, self.groups, self.logs, self.mean, self.spread)


def fit_process(
    points: Array, values: Array, groups: NDArray[np.intp], logs: Array | None, iterations: int
) -> GaussianProcess:
    """Return the process whose hyperparameters maximise the posterior, searched from `logs`."""
    mean, spread = float(values.mean()), float(values.std()) or 1.0
    standard = (values - mean) / spread
    count = int(groups.max()) + 1
    usual = np.array([PRIOR_MEANS[0] + 0.5 * math.log(count)] * count + list(PRIOR_MEANS[1:]))
    spreads = np.array([PRIOR_SPREADS[0]] * count + list(PRIOR_SPREADS[1:]))
    logs = usual if logs is None else logs
    if iterations:
        parts = [_distances(points[:, groups == g], points[:, groups == g]) for g in range(count)]
        logs = minimize(
            _negative_log_posterior,
            logs,
            (np.array(parts), standard, usual, spreads),
            jac=True,
            method="L-BFGS-B",
            bounds=[BOUNDS[0]] * count + [*BOUNDS[1:]],
            options={"maxiter": iterations},
        ).x
    return _condition(points, standard, groups, logs, mean, spread)


def squash(missed: Array) -> tuple[Array, float]:
    """Return values [n] on a scale where a few huge ones do not hide which are near 0; signs stay.

    The inverse hyperbolic sine is linear below the lower quartile of their sizes, and a logarithm above it.
    Return as well the logarithm of the density of the values' scale in units of the squashed one's: the sum
    of the logarithms of its slopes.
    """
    sizes = np.abs(missed[missed != 0])
    quartile = np.quantile(sizes, 0.25) if len(sizes) else 1.0
    return np.arcsinh(missed / quartile), float(-0.5 * np.log(missed**2 + quartile**2).sum())


def _negative_log_posterior(
    logs: Array, parts: Array, values: Array, usual: Array, spreads: Array
) -> tuple[float, Array]:
    """Return minus the logarithm of the posterior of `logs`, up to a constant, and its gradient.

    Rasmussen and Williams, Gaussian Processes for Machine Learning, equations 2.30 and 5.9.
    `parts` [variables, n, n]: squared distances in each variable.
    """
    count = len(parts)
    closeness = np.exp(-2 * logs[:count])
    covariance = math.exp(logs[-2]) * np.exp(-0.5 * np.tensordot(closeness, parts, 1))
    noise = math.exp(logs[-1])
    identity = np.eye(len(values))
    try:
        factor = cho_factor(covariance + (noise + JITTER) * identity, lower=True)
    except LinAlgError:
        return 1e10, np.zeros_like(logs)
    weights = cho_solve(factor, values)
    fit = np.outer(weights, weights) - cho_solve(factor, identity)
    weighted = fit * covariance
    away = (logs - usual) / spreads
    value = 0.5 * values @ weights + np.log(np.diag(factor[0])).sum() + 0.5 * away @ away
    slopes = [*(-0.5 * np.tensordot(parts, weighted, 2) * closeness), -0.5 * weighted.sum()]
    return float(value), np.array([*slopes, -0.5 * noise * np.trace(fit)]) + away / spreads


def _condition(
    points: Array, values: Array, groups: NDArray[np.intp], logs: Array, mean: float, spread: float
) -> GaussianProcess:
    scaled = points * np.exp(-logs[groups])
    covariance = math.exp(logs[-2]) * np.exp(-0.5 * _distances(scaled, scaled))
    factor = cho_factor(covariance + (math.exp(logs[-1]) + JITTER) * np.eye(len(values)), lower=True)
    return GaussianProcess(points, values, groups, logs, mean, spread, factor, cho_solve(factor, values))


def _distances(these: Array, those: Array) -> Array:
    """Return the squared distances [n, m] between rows."""
    squares = (these**2).sum(1)[:, None] + (those**2).sum(1)[None] - 2 * these @ those.T
    return np.asarray(np.maximum(squares, 0.0))

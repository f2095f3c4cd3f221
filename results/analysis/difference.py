"""Estimate how much more accurate one network is than another, from trainings that share images and seeds.

The accuracy of network i in replicate r is modelled as

    y_ir = mu_i + u_r + e_ir,    var(u_r) = rho s^2,    var(e_ir) = (1 - rho) s^2,

where all networks of a replicate have the same images and the same seed, and therefore the same u_r. The
difference of two networks over common replicates (pairs) is free of u_r: its variance is 2 (1 - rho) s^2 / n.
docs/confirmation.md derives the posterior.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from results.analysis.posterior import (
    PRIOR_TRAININGS,
    VerdictSettings,
    binomial_variance,
    pool_noise,
    quantile,
    students,
)
from results.packages import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# rho on a grid, with the prior 2 (1 - rho): few pairs alone must not make a difference look certain
_SHARED = tuple(step / 20 for step in range(20))
_PRIOR = tuple(1 - shared for shared in _SHARED)
_MANY = 1e9  # degrees of freedom, of a normal distribution
BASE = 0  # the base network, among networks that are named by their trial's number
COLUMNS = ("difference", "difference_low", "difference_high", "pairs", "shared_noise")  # of trials
UNKNOWN: Mapping[str, Any] = MappingProxyType(dict.fromkeys(COLUMNS))
Trainings = Mapping[int, Mapping[int, float]]  # accuracies by network and replicate, fractions


@dataclass(frozen=True)
class Difference:
    """Posterior of a difference of two true accuracies: a mixture of Student's t, one for each rho.

    Accuracies are fractions. pairs: replicates in which both networks were trained; shared: the posterior
    mean of rho
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    errors: NDArray[np.float64]  # standard errors
    freedom: float
    pairs: int
    shared: float

    @property
    def mean(self) -> float:
        return float(self.weights @ self.means)

    @property
    def error(self) -> float:
        """The standard error: of the mixture, with the scales of its parts."""
        return math.sqrt(float(self.weights @ (self.errors**2 + (self.means - self.mean) ** 2)))

    def probability(self, margin: float = 0.0) -> float:
        """Return the probability that the difference is at least `-margin`."""
        parts = [students(self.freedom, value) for value in (self.means + margin) / self.errors]
        return float(self.weights @ np.array(parts))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the central interval that holds the difference with probability `level`."""
        if len(self.means) == 1:
            reach = float(self.errors[0]) * quantile(self.freedom, (1 + level) / 2)
            return self.mean - reach, self.mean + reach
        from scipy import optimize

        reach = 1e3 * float(self.errors.max())
        low, high = (
            optimize.brentq(
                lambda x, share=share: 1 - self.probability(-x) - share, self.mean - reach, self.mean + reach
            )
            for share in ((1 - level) / 2, (1 + level) / 2)
        )
        return float(low), float(high)

    def columns(self) -> dict[str, Any]:
        """Return a trial's columns about it: `COLUMNS`."""
        return dict(zip(COLUMNS, (self.mean, *self.interval(), self.pairs, self.shared), strict=True))


def read_difference(row: Mapping[Any, Any]) -> Difference:
    """Return the difference that a trial's columns have, as a normal distribution.

    row: with `COLUMNS`, the interval of 95%
    """
    error = (row["difference_high"] - row["difference_low"]) / (2 * quantile(_MANY, 0.975))
    weights, means, errors = np.array([[1.0], [row["difference"]], [error]])
    return Difference(weights, means, errors, _MANY, int(row["pairs"]), row["shared_noise"])


def compare(
    trainings: Trainings,
    one: int,
    other: int,
    validation_images: int,
    accuracy: float,
    overlap: float = 0.0,
) -> Difference:
    """Return the posterior of the true accuracy of `one` less that of `other`.

    All of `trainings` tell of the noise. Both networks need at least one. The true accuracies have flat
    priors. The variance s^2 has a scaled inverse chi-squared prior of `PRIOR_TRAININGS` degrees of freedom
    around the binomial variance of `accuracy` on so many validation images. For a given rho this is a
    generalised least squares regression, whose posterior is Student's t (Gelman et al., Bayesian Data
    Analysis, 3rd edition, sections 14.2 and 14.7); rho is integrated over a grid.

    overlap: as of `posterior.believe`: it adds `lasting_variance` to the variance of the difference
    """
    rows = [(network, replicate, y) for network, own in trainings.items() for replicate, y in own.items()]
    networks = list(dict.fromkeys(network for network, _, _ in rows))
    replicates = [replicate for _, replicate, _ in rows]
    y = np.array([accuracy for _, _, accuracy in rows])
    design = np.array([[float(network == row[0]) for network in networks] for row in rows])
    contrast = np.array([float(network == one) - float(network == other) for network in networks])
    prior = PRIOR_TRAININGS * binomial_variance(accuracy, validation_images)
    freedom = PRIOR_TRAININGS + len(rows) - len(networks)
    logs, means, errors = [], [], []
    for rho, weight in zip(_SHARED, _PRIOR, strict=True):
        solved, log_determinant = _solve(replicates, rho, np.column_stack([design, y]))
        information = design.T @ solved[:, :-1]
        fitted = np.linalg.solve(information, np.column_stack([design.T @ solved[:, -1], contrast]))
        residual = y - design @ fitted[:, 0]
        squares = prior + float(residual @ _solve(replicates, rho, residual[:, None])[0][:, 0])
        spread = contrast @ fitted[:, 1] + lasting_variance(rho, overlap)
        log_determinant += np.linalg.slogdet(information)[1]
        logs.append(math.log(weight) - log_determinant / 2 - freedom / 2 * math.log(squares))
        means.append(float(contrast @ fitted[:, 0]))
        errors.append(math.sqrt(squares / freedom * spread))
    weights = np.exp(np.array(logs) - max(logs))
    weights /= weights.sum()
    shared = float(weights @ np.array(_SHARED))
    pairs = len(trainings[one].keys() & trainings[other].keys())
    return Difference(weights, np.array(means), np.array(errors), freedom, pairs, shared)


def compare_numbers(one: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """Return the posterior of the mean of `one` less that of `other`, both any number by replicate.

    It is that of Student's t test of the pairs, whose noise is known from their differences alone. None with
    fewer than two pairs. A difference without any noise is known up to the rounding of its numbers.
    """
    pairs = sorted(one.keys() & other.keys())
    if len(pairs) < 2:
        return None
    gaps = [one[replicate] - other[replicate] for replicate in pairs]
    rounding = max(
        float(np.spacing(abs(values[replicate]))) for values in (one, other) for replicate in pairs
    )
    error = max(statistics.stdev(gaps) / math.sqrt(len(gaps)), rounding)
    weights, means, errors = np.array([[1.0], [statistics.mean(gaps)], [error]])
    return Difference(weights, means, errors, len(gaps) - 1, len(gaps), math.nan)


def least_confirmed(
    accuracies: Sequence[float], validation_images: int, settings: VerdictSettings, most: int
) -> float:
    """Return by how much a network must better its required accuracy to be confirmed by `most` repeats.

    It is the mean difference that this takes, with rho as its prior expects it.

    accuracies: of the base network's trainings, fractions
    """
    noise = pool_noise([accuracies], fmean(accuracies), validation_images)
    shared = fmean(_SHARED, _PRIOR)
    spread = contrast_variance(range(1, most + 1), range(most + 1), shared)
    spread += lasting_variance(shared, settings.overlap)
    return quantile(PRIOR_TRAININGS + 2 * most - 1, settings.needed) * math.sqrt(noise.variance * spread)


def lasting_variance(shared: float, overlap: float) -> float:
    """Return the variance of a difference that no repeat takes away, in units of s^2: see `believe`."""
    return 2 * (1 - shared) * overlap / (1 - overlap)


def contrast_variance(one: Collection[int], other: Collection[int], shared: float) -> float:
    """Return the variance of the difference of two networks trained in these replicates, in units of s^2."""
    design = np.repeat(np.eye(2), [len(one), len(other)], axis=0)
    information = design.T @ _solve([*one, *other], shared, design)[0]
    contrast = np.array([1.0, -1.0])
    return float(contrast @ np.linalg.solve(information, contrast))


def _solve(
    replicates: Sequence[int], shared: float, columns: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return R^-1 columns and log |R|, where R is 1 on its diagonal and `shared` within a replicate.

    R has a block for each replicate, (1 - shared) I + shared 1 1', whose inverse is known (Sherman and
    Morrison 1950). columns: [N, k]
    """
    _, place, sizes = np.unique(replicates, return_inverse=True, return_counts=True)
    sums = np.zeros((len(sizes), columns.shape[1]))
    np.add.at(sums, place, columns)
    ends = 1 - shared + sizes * shared
    solved = (columns - (shared / ends)[place, None] * sums[place]) / (1 - shared)
    log_determinant = float(np.log(ends).sum() + (sizes - 1).sum() * math.log(1 - shared))
    return solved, log_determinant

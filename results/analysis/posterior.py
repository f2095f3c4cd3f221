"""Estimate a network's true accuracy from its trainings: mean, interval, probability of reaching an accuracy.

A network has few trainings, so the noise is estimated from all networks of a study that were trained more
than once. Before there are any, the noise is that of sampling the validation images, which is its least
value. Callers leave out the training by which a network was selected: it was probably a lucky one (the
winner's curse), so it is biased upwards.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PRIOR_TRAININGS = 4.0  # weight of the noise known from the validation images, in trainings
_LOOKS = 3  # checks per network within which most verdicts come


@dataclass(frozen=True)
class ReplicateNoise:
    """Noise of a training's accuracy around its network's true one: a variance and its degrees of freedom."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class Posterior:
    """Posterior of a network's true accuracy, a fraction: Student's t around the mean of its trainings."""

    mean: float
    standard_error: float
    freedom: float
    trainings: int

    def probability(self, bound: float) -> float:
        """Return the probability that the true accuracy is at least `bound`, a fraction."""
        return students(self.freedom, (self.mean - bound) / self.standard_error)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the central interval that holds the true accuracy with probability `level`, as fractions."""
        from scipy import special

        reach = self.standard_error * float(special.stdtrit(self.freedom, (1 + level) / 2))
        return self.mean - reach, self.mean + reach


@dataclass(frozen=True)
class Spread:
    """Noise within the trainings of several networks: sum of squared deviations, degrees of freedom."""

    squares: float
    freedom: float

    def noise(self, accuracy: float, validation_images: int) -> ReplicateNoise:
        """Return the noise of a training near `accuracy`, with the prior that so many images give.

        A scaled inverse chi-squared prior of `PRIOR_TRAININGS` degrees of freedom stands for the binomial
        spread of `accuracy` on so many validation images; the squared deviations are added to it (Gelman et
        al., Bayesian Data Analysis, 3rd edition, sections 2.6 and 3.2).
        """
        images = validation_images
        share = (min(max(accuracy, 0.0), 1.0) * images + 1) / (images + 2)  # never quite 0 or 1
        freedom = PRIOR_TRAININGS + self.freedom
        return ReplicateNoise(
            (PRIOR_TRAININGS * share * (1 - share) / images + self.squares) / freedom, freedom
        )


def students(freedom: float, value: float) -> float:
    """Return the distribution function of Student's t with `freedom` degrees of freedom at `value`."""
    from scipy import special  # a quarter of a second to import, so not at start-up

    return float(special.stdtr(freedom, value))


def spread(groups: Iterable[Sequence[float]]) -> Spread:
    """Return the spread within `groups`, each the accuracies of one network's trainings (fractions)."""
    told = [group for group in groups if len(group) > 1]
    squares = math.fsum((len(group) - 1) * statistics.variance(group) for group in told)
    return Spread(squares, sum(len(group) - 1 for group in told))


def pool_noise(groups: Iterable[Sequence[float]], accuracy: float, validation_images: int) -> ReplicateNoise:
    """Return the noise estimated from `groups` and the validation images: `Spread.noise` of their spread."""
    return spread(groups).noise(accuracy, validation_images)


def noisier(one: float, other: float) -> float:
    """Return which of two accuracies has the larger sampling noise: the one nearer to a half."""
    return min(one, other, key=lambda accuracy: abs(accuracy - 0.5))


def interval_text(low: float, high: float) -> str:
    """Return an interval of accuracies in percent, cut to [0, 100]: [11.31, 17.52]."""
    return f"[{100 * max(low, 0.0):.2f}, {100 * min(high, 1.0):.2f}]"


def level_of(question: Mapping[str, Any]) -> float:
    """Return the confidence level in a study's settings, or the default if they have none."""
    return float((question.get("confirmation") or {}).get("level", 0.95))


def passing(level: float) -> float:
    """Return the probability that confirms one network: 1 - (1 - level) / 3.

    The probability is checked after each repeat, mostly up to three times, for several networks. Each check
    is therefore stricter than the search as a whole (Bonferroni). Without that, searches at .95 named a
    network that really reached the required accuracy in 90 to 94% of runs (benchmarks/truth.py).
    """
    return 1 - (1 - level) / _LOOKS


def believe(accuracies: Sequence[float], noise: ReplicateNoise) -> Posterior:
    """Return the posterior from one network's trainings, at least one, under a flat prior of its accuracy."""
    error = math.sqrt(noise.variance / len(accuracies))
    return Posterior(statistics.fmean(accuracies), error, noise.freedom, len(accuracies))

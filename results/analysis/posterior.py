"""What trainings say of a network's true accuracy: a mean, an interval, the chance that a bound holds.

A network has few trainings, so their spread is shared: every network of a study that was trained more than
once tells of it, and before any did, the validation images alone do, since no training can be judged more
exactly than by drawing that many images. The surprise: a training by which a network was chosen out of
many is no evidence. It is likely a lucky one, so callers leave it out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PRIOR_TRAININGS = 4.0  # that the spread known from the validation images counts for
_LOOKS = 3  # at a network, in which most verdicts have come


@dataclass(frozen=True)
class ReplicateNoise:
    """The spread of a training's accuracy around its network's own: a variance and its degrees of freedom."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class Posterior:
    """The posterior of a network's true accuracy, a fraction: Student's t around its trainings' mean."""

    mean: float
    standard_error: float
    freedom: float
    trainings: int

    def probability(self, bound: float) -> float:
        """The probability that the true accuracy is at least `bound`."""
        return students(self.freedom, (self.mean - bound) / self.standard_error)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The central interval that holds the true accuracy with probability `level`."""
        from scipy import special

        reach = self.standard_error * float(special.stdtrit(self.freedom, (1 + level) / 2))
        return self.mean - reach, self.mean + reach


@dataclass(frozen=True)
class Spread:
    """What the trainings of several networks tell of the noise: squared deviations, degrees of freedom."""

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
    """The probability that a variable of Student's t with so many degrees of freedom is at most `value`."""
    from scipy import special  # a quarter of a second to import, which no start waits for

    return float(special.stdtr(freedom, value))


def spread(groups: Iterable[Sequence[float]]) -> Spread:
    """Return the spread within `groups`, each the accuracies of one network's trainings (fractions)."""
    told = [group for group in groups if len(group) > 1]
    squares = math.fsum((len(group) - 1) * statistics.variance(group) for group in told)
    return Spread(squares, sum(len(group) - 1 for group in told))


def pooled(groups: Iterable[Sequence[float]], accuracy: float, validation_images: int) -> ReplicateNoise:
    """Return the noise that `groups` and the validation images tell of: `Spread.noise` of their spread."""
    return spread(groups).noise(accuracy, validation_images)


def noisier(one: float, other: float) -> float:
    """Return which of two accuracies is judged less exactly by images: the one nearer to a half."""
    return min(one, other, key=lambda accuracy: abs(accuracy - 0.5))


def level_of(question: Mapping[str, Any]) -> float:
    """Return the level of belief that a study's question asks for, the usual one where it asks for none."""
    return float((question.get("confirmation") or {}).get("level", 0.95))


def passing(level: float) -> float:
    """The probability that confirms one network: of the doubt that `level` leaves, each look may use a third.

    A verdict comes at the first look that gives one, mostly by the third, and several networks are looked
    at; so each is judged more strictly than the search as a whole (Bonferroni). Without that, searches at
    .95 named true networks in 90 to 94% of runs (benchmarks/truth.py).
    """
    return 1 - (1 - level) / _LOOKS


def believe(accuracies: Sequence[float], noise: ReplicateNoise) -> Posterior:
    """Return what one network's trainings, at least one, say of it, under a flat prior of its accuracy."""
    error = math.sqrt(noise.variance / len(accuracies))
    return Posterior(statistics.fmean(accuracies), error, noise.freedom, len(accuracies))

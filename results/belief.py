"""What trainings say of a network's true accuracy: a mean, an interval, the chance that a bound holds.

A network has few trainings, so their spread is shared: every network of a study that was trained more than
once tells of it, and before any did, the validation images alone do, since no training can be judged more
exactly than by drawing that many images. The surprise: a training by which a network was chosen out of
many is no evidence. It is likely a lucky one, so callers leave it out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import special

PRIOR_TRAININGS = 4.0  # that the spread known from the validation images counts for


@dataclass(frozen=True)
class Noise:
    """The spread of a training's accuracy around its network's own: a variance and its degrees of freedom."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class Belief:
    """The posterior of a network's true accuracy, a fraction: Student's t around its trainings' mean."""

    mean: float
    standard_error: float
    freedom: float
    trainings: int

    def probability(self, bound: float) -> float:
        """The probability that the true accuracy is at least `bound`."""
        return float(special.stdtr(self.freedom, (self.mean - bound) / self.standard_error))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The central interval that holds the true accuracy with probability `level`."""
        reach = self.standard_error * float(special.stdtrit(self.freedom, (1 + level) / 2))
        return self.mean - reach, self.mean + reach


def pooled(groups: Iterable[Sequence[float]], accuracy: float, validation_images: int) -> Noise:
    """Return the noise within `groups`, each the accuracies of one network's trainings (fractions).

    A scaled inverse chi-squared prior of `PRIOR_TRAININGS` degrees of freedom stands for the binomial
    spread of `accuracy` on so many validation images; the groups' squared deviations from their means are
    added to it (Gelman et al., Bayesian Data Analysis, 3rd edition, sections 2.6 and 3.2).
    """
    share = (min(max(accuracy, 0.0), 1.0) * validation_images + 1) / (
        validation_images + 2
    )  # never quite 0 or 1
    squares, freedom = PRIOR_TRAININGS * share * (1 - share) / validation_images, PRIOR_TRAININGS
    for group in groups:
        if len(group) > 1:
            squares += (len(group) - 1) * statistics.variance(group)
            freedom += len(group) - 1
    return Noise(squares / freedom, freedom)


def believe(accuracies: Sequence[float], noise: Noise) -> Belief:
    """Return what one network's trainings, at least one, say of it, under a flat prior of its accuracy."""
    error = math.sqrt(noise.variance / len(accuracies))
    return Belief(statistics.fmean(accuracies), error, noise.freedom, len(accuracies))

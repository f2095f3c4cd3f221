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
# versions of the rule of verdicts, in a study's settings; 1: the baseline's mean is exact, trainings unpaired
VERSION = 2
BY_MODEL = 3  # the solver's model of accuracy says how likely a network is to be as accurate
_LOOKS = 3  # checks per network within which most verdicts come
_LOOKS_BY_MODEL = 1.5  # the same, if the probability follows from the model of accuracy
_LOOKS_AT_BASE = 5  # the same, if all networks are compared with one measured base


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
        reach = self.standard_error * quantile(self.freedom, (1 + level) / 2)
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
        freedom = PRIOR_TRAININGS + self.freedom
        prior = PRIOR_TRAININGS * binomial_variance(accuracy, validation_images)
        return ReplicateNoise((prior + self.squares) / freedom, freedom)


def binomial_variance(accuracy: float, images: int) -> float:
    """Return the variance of an accuracy, a fraction, that was measured on so many images; never quite 0."""
    share = (min(max(accuracy, 0.0), 1.0) * images + 1) / (images + 2)
    return share * (1 - share) / images


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


@dataclass(frozen=True)
class VerdictSettings:
    """How a study decides whether a network is as accurate as it must be.

    level: confidence in what the study names
    tolerance: the accuracy that may be lost against the base network, a fraction
    is_paired: whether networks are compared by trainings of the same images and seeds
    has_base: whether the required accuracy is that of the base network, which is measured
    overlap: as of `believe`
    images: validation images that count for the noise of the sought score; None: all that are drawn
    by_model: whether the solver's model of accuracy says what is likely, from all trainings
    """

    level: float = 0.95
    tolerance: float = 0.0
    is_paired: bool = False
    has_base: bool = False
    overlap: float = 0.0
    images: int | None = None
    by_model: bool = False

    @classmethod
    def read(cls, question: Mapping[str, Any]) -> VerdictSettings:
        """Return those in a study's settings. Studies of older versions took the baseline's mean as exact."""
        confirmation, baseline = question.get("confirmation") or {}, question.get("baseline") or {}
        training, version = question.get("training") or {}, confirmation.get("version", 1)
        is_paired = version >= VERSION
        pool = training.get("pool_images") if is_paired else None
        drawn = min(training.get("train_images") or 0, training.get("validation_images") or 0)
        return cls(
            level=float(confirmation.get("level", 0.95)),
            tolerance=float(baseline.get("tolerance", 0.0)),
            is_paired=is_paired,
            by_model=version >= BY_MODEL,
            has_base=baseline.get("replicates", 0) > 0,
            overlap=drawn / pool if pool else 0.0,
            images=question.get("effective_images"),
        )

    @property
    def compares_with_base(self) -> bool:
        return self.is_paired and self.has_base

    @property
    def needed(self) -> float:
        """The probability that confirms one network: 1 - (1 - level) / 3, or / 5 against a measured base.

        By the model of accuracy it is 1 - (1 - level) / 1.5. All trainings are part of it, so it
        needs no correction for those that found a network. But the model's lengths and variances are only
        the likeliest ones, and several networks are looked at. benchmarks/accuracy_model.py measures it.

        The probability is checked after each repeat, mostly up to three times, for several networks. Each
        check is therefore stricter than the search as a whole (Bonferroni). All networks are compared with
        the same trainings of the base, whose error they have in common, so that rule is stricter still.
        benchmarks/truth.py measures both.
        """
        if self.by_model:
            return 1 - (1 - self.level) / _LOOKS_BY_MODEL
        return 1 - (1 - self.level) / (_LOOKS_AT_BASE if self.compares_with_base else _LOOKS)


def quantile(freedom: float, share: float) -> float:
    """Return the quantile of Student's t with `freedom` degrees of freedom at a probability."""
    from scipy import special

    return float(special.stdtrit(freedom, share))


def believe(accuracies: Sequence[float], noise: ReplicateNoise, overlap: float = 0.0) -> Posterior:
    """Return the posterior from one network's trainings, at least one, under a flat prior of its accuracy.

    overlap: fraction of all images that two trainings have in common by drawing from the same ones, as
        their validation images or, if these are fewer, as their training images. Such trainings are not
        independent: overlap / (1 - overlap) is added to 1 / n (Nadeau and Bengio 2003, section 3)
    """
    error = math.sqrt(noise.variance * (1 / len(accuracies) + overlap / (1 - overlap)))
    return Posterior(statistics.fmean(accuracies), error, noise.freedom, len(accuracies))


def believe_number(values: Sequence[float]) -> Posterior:
    """Return the posterior of the mean of any number from its own repeats, at least one.

    Nothing is known of its noise but what the repeats tell. Under flat priors of the mean and of the noise's
    logarithm it is Student's t with n - 1 degrees of freedom (Gelman et al., section 3.2). Of one training
    there is no interval: both ends are NaN.
    """
    spread = statistics.stdev(values) if len(values) > 1 else math.nan
    error = spread / math.sqrt(len(values))
    return Posterior(statistics.mean(values), error, len(values) - 1, len(values))

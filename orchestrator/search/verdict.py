"""Decide from its repeats whether a candidate is accurate enough, and which training would tell most.

There are two rules. `BoundRule` compares the candidate with a required accuracy that is exact: one that the
user gave, and the baseline's mean in studies of older versions. `BaseRule` compares it with the base network,
whose own accuracy is a measurement too. docs/confirmation.md derives both.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Literal

from orchestrator.console.format import accuracy_text, belief_text
from results.analysis.difference import (
    BASE,
    Difference,
    Trainings,
    compare,
    contrast_variance,
    lasting_variance,
)
from results.analysis.posterior import (
    Posterior,
    VerdictSettings,
    believe,
    noisier,
    pool_noise,
    quantile,
)
from results.format import comparison_text

HOPELESS = 0.5  # the probability at which a candidate is rejected; benchmarks/truth.py compares others
FUTILE = 0.1  # the probability that all repeats would confirm a candidate, below which it is undecided
AT_A_TIME = 2  # trainings for one candidate that run in parallel, if iterations have as many candidates

Verdict = Literal["confirmed", "rejected", "undecided"]


@dataclass(frozen=True)
class Repeats:
    """Replicates to train next, of the candidate and of the base network."""

    candidate: tuple[int, ...] = ()
    base: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.candidate) + len(self.base)

    def __add__(self, other: Repeats) -> Repeats:
        return Repeats(self.candidate + other.candidate, self.base + other.base)


@dataclass(frozen=True)
class Judgement:
    """What the repeats tell of a candidate.

    probability: that it is as accurate as it must be
    missed: the accuracy that it lacks, a fraction, less than 0 if it has more than enough
    error: the standard error of `missed`
    text: all of it in words
    next: the trainings that would tell most; none if no more are worth it
    """

    belief: Posterior
    probability: float
    missed: float
    error: float
    text: str
    next: Repeats = field(default_factory=Repeats)
    difference: Difference | None = None

    def verdict(self, needed: float) -> Verdict | None:
        """Return the verdict; None if another training is due first. `needed`: to confirm."""
        return find_verdict(self.probability, needed) or (None if self.next else "undecided")

    def columns(self) -> dict[str, Any]:
        """Return a trial's columns about it."""
        known = {"probability": self.probability}
        return known | (self.difference.columns() if self.difference else {})


def find_verdict(probability: float, needed: float) -> Verdict | None:
    """Return what a probability of being as accurate says; None if it says nothing. `needed`: to confirm."""
    return "confirmed" if probability >= needed else "rejected" if probability <= HOPELESS else None


@dataclass(frozen=True)
class Rule(ABC):
    """How the candidates of a search are judged.

    settings: of the study, which may be those of an older version
    bound: the accuracy that a first training must reach, a fraction
    most: repeats of a candidate
    block: candidates per iteration, of which at most `AT_A_TIME` trainings for one candidate run in parallel
    """

    settings: VerdictSettings
    bound: float
    most: int
    block: int
    validation_images: int

    @property
    def at_a_time(self) -> int:
        return min(self.block, AT_A_TIME)

    @abstractmethod
    def judge(self, candidate: int, trainings: Trainings, tried: Collection[int] = ()) -> Judgement:
        """Judge the candidate with this trial number.

        trainings: of all networks that were trained again, as far as they succeeded
        tried: the replicates in which the base network was trained, also in vain
        """

    def believe(self, candidate: int, trainings: Trainings) -> Posterior:
        """Return the posterior of a candidate's accuracy, with the noise of all `trainings`."""
        known = list(trainings[candidate].values())
        return believe_accuracy(known, trainings, self.bound, self.validation_images, self.settings.overlap)

    def reject(self, candidate: int, trainings: Trainings, accuracies: Sequence[float]) -> Judgement:
        """Judge a candidate of which a repeat failed. `accuracies`: of all its repeats, 0 of that one."""
        known = trainings if candidate in trainings else {**trainings, candidate: {0: 0.0}}
        belief = self.believe(candidate, known)
        missed = self.bound - fmean(accuracies)
        return Judgement(belief, 0.0, missed, belief.standard_error, "a repeat failed")


def believe_accuracy(
    known: Sequence[float], trainings: Trainings, bound: float, validation_images: int, overlap: float
) -> Posterior:
    """Return the posterior of a network's accuracy, from its `known` ones and the noise of all `trainings`.

    bound: the accuracy that it must have; the prior of the noise is that of the noisier of the two
    """
    groups = [list(each.values()) for each in trainings.values()]
    noise = pool_noise(groups, noisier(bound, fmean(known)), validation_images)
    return believe(known, noise, overlap)


@dataclass(frozen=True)
class BoundRule(Rule):
    """Compares the mean of a candidate's repeats with the required accuracy, which is exact."""

    def judge(self, candidate: int, trainings: Trainings, tried: Collection[int] = ()) -> Judgement:
        belief = self.believe(candidate, trainings)
        probability = belief.probability(self.bound)
        return Judgement(
            belief,
            probability,
            self.bound - belief.mean,
            belief.standard_error,
            f"{belief_text(belief, probability)} of {accuracy_text(self.bound)}",
            Repeats(tuple(range(max(trainings[candidate]) + 1, self.most + 1)[: self.at_a_time])),
        )


@dataclass(frozen=True)
class BaseRule(Rule):
    """Compares a candidate with the base network, which is trained again where that tells most."""

    def judge(self, candidate: int, trainings: Trainings, tried: Collection[int] = ()) -> Judgement:
        own, base, belief = trainings[candidate], trainings[BASE], self.believe(candidate, trainings)
        near = noisier(self.bound, belief.mean)
        found = compare(trainings, candidate, BASE, self.validation_images, near, self.settings.overlap)
        probability = found.probability(self.settings.tolerance)
        following = Repeats()
        tried = {*tried, *base}
        if self._may_confirm(found, own, base, tried):
            following = self._plan(set(own), set(base), tried, found.shared)
        tolerance = self.settings.tolerance
        compared = comparison_text(probability, found.columns(), tolerance)
        text = f"{compared}; {belief_text(belief, None)}"
        missed = -(found.mean + tolerance)
        return Judgement(belief, probability, missed, found.error, text, following, found)

    def _may_confirm(
        self, found: Difference, own: Collection[int], base: Collection[int], tried: Collection[int]
    ) -> bool:
        """Whether all repeats together would confirm a candidate with a probability of at least `FUTILE`.

        This is stochastic curtailment (Lan, Simon and Halperin 1982). The mean after all of them is taken as
        normal around the present one, with the variance that they will take away.
        """
        lasting = lasting_variance(found.shared, self.settings.overlap)
        all_base = {*base, *(set(range(self.most + 1)) - set(tried))}
        now = contrast_variance(own, base, found.shared)
        last = contrast_variance(range(1, self.most + 1), all_base, found.shared)
        if last >= now:
            return True
        unit = found.error / math.sqrt(now + lasting)
        short = quantile(found.freedom, self.settings.needed) * unit * math.sqrt(last + lasting)
        value = (found.mean + self.settings.tolerance - short) / (unit * math.sqrt(now - last))
        return (1 + math.erf(value / math.sqrt(2))) / 2 >= FUTILE

    def _plan(self, own: set[int], base: set[int], tried: set[int], shared: float) -> Repeats:
        """Return the next trainings: those that reduce the log variance of the difference most, per training.

        They are one of the candidate, one of the base network, or both of one replicate; and then the next
        best, up to `at_a_time`.
        """
        planned = Repeats()
        while len(planned) < self.at_a_time:
            mine, theirs = own | set(planned.candidate), base | set(planned.base)
            room = max(self.at_a_time, 0 if planned else 2) - len(planned)
            options = [one for one in self._options(mine, tried | theirs) if len(one) <= room]
            if not options:
                break
            now = contrast_variance(mine, theirs, shared)
            gains = []
            for one in options:
                then = contrast_variance(mine | set(one.candidate), theirs | set(one.base), shared)
                gains.append(math.log(now / then) / len(one))
            planned += options[gains.index(max(gains))]
        return planned

    def _options(self, own: set[int], tried: set[int]) -> list[Repeats]:
        """Return what may be trained next."""
        mine = sorted(set(range(1, self.most + 1)) - own)[:1]
        untried = set(range(self.most + 1)) - tried
        theirs = sorted(untried, key=lambda replicate: (replicate not in own, replicate))[:1]
        both = [Repeats((one,), (one,)) for one in mine if one in untried]
        return [*(Repeats((one,)) for one in mine), *(Repeats((), (one,)) for one in theirs), *both]

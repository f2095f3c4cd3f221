"""Retrain the best networks of a finished search before naming a winner.

A network picked on one noisy training looks better than it is (the winner's curse). So a search without a
required accuracy reserves part of its budget. When it has ended, its best networks are retrained, with the
images and seeds of a baseline's repeats. `FinalSelection` says which, or the Pareto front, and how often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import hypot, inf
from statistics import fmean
from typing import Any

from orchestrator.console.format import belief_text
from orchestrator.search.budget import count_reserved, plan_rounds
from orchestrator.search.confirmation import Winner
from orchestrator.search.context import SearchContext
from orchestrator.spec.formulation import accuracy
from orchestrator.trial.outcome import count_spent, is_open
from results.analysis.difference import UNKNOWN, compare, compare_numbers
from results.analysis.pareto import find_front
from results.analysis.posterior import Posterior, believe, believe_number, noisier, spread, students
from results.db.tables import Trial
from results.format import trust_text


def select_winner(search: SearchContext, end: int) -> Winner | None:
    """Retrain the best networks of a finished search, and return the winner; None if there is none.

    end: the first trial number that the search has not used. Raise as `Runner.run` does.
    """
    request = search.spec.request
    reserved = count_reserved(request)
    final = FinalSelection(search, plan_rounds(reserved, request.confirm), end)
    if reserved:
        found = ", ".join(str(row.number) for row in final.entrants)
        search.reporter.note(
            f"retraining the best: {f'trials {found}' if found else 'none, since none succeeded'}"
        )
        _retrain(search, final.next_round, end)
    winner = final.winner()
    if winner and winner.belief:
        trust = trust_text(winner.columns(), search.study.question, None)
        known = belief_text(winner.belief, None, search.sought)
        search.reporter.note(
            f"trial {winner.trial.number} {winner.status}: {known}{f'; {trust}' if trust else ''}"
        )
    return winner


def confirm_front(search: SearchContext, end: int) -> None:
    """Retrain the networks on the Pareto front of a finished search, in rounds. As `select_winner`.

    The front depends only on rows, so a resumed search retrains the same networks.
    """
    found = ", ".join(str(row.number) for row in _find_front(search, end))
    search.reporter.note(f"Pareto front of the search: {f'trials {found}' if found else 'empty'}")
    _retrain(search, partial(_next_front_round, search), end)


def retrained_text(search: SearchContext) -> str:
    """Return how much was spent on retraining, to follow the text about the search's own trainings."""
    if search.formulation.confirms:
        return ""
    trained = count_spent(row for row in search.history.rows.values() if row.purpose == "confirmation")
    return f", and {trained:.4g} more to retrain its best candidates" if trained else ""


def _retrain(
    search: SearchContext, next_round: Callable[[int], list[tuple[Trial, int]]], number: int
) -> None:
    """Retrain networks in rounds until no more are due or the budget is spent.

    next_round: returns the networks to train, each with the number of its repeat, given the first free trial
        number
    """
    rows = search.history.rows
    left = [row for row in rows.values() if row.purpose == "confirmation" and is_open(row)]
    requests = [
        search.repeat(rows[row.of_trial_number], row.replicate, row.number)
        for row in left
        if row.number < number and row.of_trial_number is not None
    ]
    while search.train_repeats(requests) and (found := next_round(number)):
        requests = [search.repeat(of, replicate, n) for n, (of, replicate) in enumerate(found, start=number)]
        number += len(requests)


@dataclass(frozen=True)
class FinalSelection:
    """The best networks of one search. They depend only on rows, so a resumed search retrains the same."""

    search: SearchContext
    sizes: Sequence[int]  # of the rounds
    end: int  # the first trial number that the search has not used

    @property
    def _needed(self) -> float:
        """The probability that confirms the best as more accurate than the start.

        The best is chosen by the repeats that are compared with the start, so the doubt is divided by the
        number of networks that it was chosen from (Bonferroni); not in studies of older versions.
        """
        rivals = len(self.entrants) - 1 if self.search.settings.is_paired else 0
        return max(self.search.settings.needed, 1 - (1 - self.search.settings.level) / max(1, rivals))

    @property
    def entrants(self) -> list[Trial]:
        """The first round: the start, if it was trained, and the best others."""
        rows, passed = self.search.history.rows.values(), self.search.formulation.passed
        trained = [row for row in rows if row.number < self.end and passed(row)]
        merit = self.search.formulation.merit
        trained.sort(key=lambda row: (not self._is_start(row), -merit(row), row.number))
        return trained[: self.sizes[0]] if self.sizes else []

    def next_round(self, before: int) -> list[tuple[Trial, int]]:
        """Return the networks still to be trained in the first incomplete round."""
        for replicate, field in self._rounds(before):
            if lacking := [row for row in field if len(self._trained(row, before)) < replicate]:
                return [(row, replicate) for row in lacking]
        return []

    def winner(self) -> Winner | None:
        """Return the best of the last complete round; without one, the best single training.

        It is confirmed if it is the start, or more accurate with enough probability.
        """
        end = max(self.search.history.rows, default=0) + 1
        field = list[Trial]()
        for replicate, rivals in self._rounds(end):
            if all(len(self._trained(row, end)) >= replicate for row in rivals):
                field = rivals
        means = {row.number: fmean(self._trained(row, end)) for row in field}
        if not field or max(means.values()) == -inf:  # a repeat of each failed
            best = self.search.history.best
            return Winner(best, "provisional", None) if best else None
        best = max(field, key=lambda row: (means[row.number], -row.number))
        belief = self._believe(best, end)
        if self._is_start(best):
            return Winner(best, "confirmed", belief)
        is_number = self.search.sought.is_number
        tell_lead = self._compare_numbers if is_number else self._compare_with_start
        chance, known = tell_lead(best, field[0], end)
        is_true = chance is not None and chance >= self._needed
        return Winner(best, "confirmed" if is_true else "provisional", belief, chance, known)

    def _believe(self, row: Trial, end: int) -> Posterior:
        """Return the posterior of a network's accuracy, with the noise of all repeats, or of a number."""
        if self.search.sought.is_number:
            return believe_number(list(self.search.history.trainings()[row.number].values()))
        trained = self._trained(row, end)
        within = spread([one for one in self._trained(row, end) if one] for row in self.entrants)
        noise = within.noise(fmean(trained), self.search.noise_images)
        return believe(trained, noise, self.search.settings.overlap)

    def _rounds(self, before: int) -> Iterator[tuple[int, list[Trial]]]:
        """Yield the number and the networks of each round, up to the first incomplete one."""
        field = self.entrants
        for replicate, size in enumerate(self.sizes, start=1):
            if replicate > 1:
                field = self._best(field, size, replicate - 1, before)
            yield replicate, field
            if not field or any(len(self._trained(row, before)) < replicate for row in field):
                return

    def _best(self, field: Sequence[Trial], size: int, trained: int, before: int) -> list[Trial]:
        """Return the start and the best of the others after so many repeats."""
        known = {row.number: fmean(self._trained(row, before)[:trained]) for row in field}
        ranked = sorted(field, key=lambda row: (not self._is_start(row), -known[row.number], row.number))
        return ranked[:size]

    def _trained(self, row: Trial, before: int) -> list[float]:
        return self.search.history.repeat_merits(row, before)

    def _is_start(self, row: Trial) -> bool:
        return row.point == dict(self.search.formulation.start)

    def _compare_with_start(
        self, best: Trial, first: Trial, end: int
    ) -> tuple[float | None, Mapping[str, Any]]:
        """Return the probability that `best` is more accurate than the start, and columns on the difference.

        In studies of older versions both are taken as independent.
        """
        if not self._is_start(first):
            return None, UNKNOWN
        one, start = self._believe(best, end), self._believe(first, end)
        if not self.search.settings.is_paired:
            error = hypot(one.standard_error, start.standard_error)
            return students(one.freedom, (one.mean - start.mean) / error), UNKNOWN
        trainings = self.search.history.trainings()
        if first.number not in trainings or len(trainings.get(best.number, ())) < one.trainings:
            return 0.0, UNKNOWN  # a repeat of the best failed, or all of the start
        near = noisier(one.mean, start.mean)
        found = compare(
            trainings, best.number, first.number, self.search.noise_images, near, self.search.settings.overlap
        )
        return found.probability(), found.columns()

    def _compare_numbers(self, best: Trial, first: Trial, end: int) -> tuple[float | None, Mapping[str, Any]]:
        """Return the same of a script's number: the probability that `best` is better than the start."""
        trainings = self.search.history.trainings(end)
        found = compare_numbers(trainings[best.number], trainings.get(first.number, {}))
        if found is None or not self._is_start(first):
            return None, UNKNOWN
        more = found.probability()
        return 1 - more if self.search.sought.is_lower_better else more, found.columns()


def _find_front(search: SearchContext, before: int) -> list[Trial]:
    """Return the Pareto front according to the trials with numbers below `before`, the smallest first."""
    least, found = search.formulation.min_accuracy or 0.0, dict[int, float]()
    rows = [row for row in search.history.rows.values() if row.number < before]
    for row in rows:
        is_trained = row.purpose == "search" and row.state == "completed"
        if is_trained and search.formulation.holds_after_training(row):
            repeated = search.history.repeat_merits(row, before)
            found[row.number] = fmean(repeated) if repeated else accuracy(row)
    passed = [row for row in rows if found.get(row.number, -1.0) >= least]
    return find_front(passed, lambda row: (search.formulation.size(row), found[row.number], row.number))


def _next_front_round(search: SearchContext, before: int) -> list[tuple[Trial, int]]:
    """Return the networks on the front with the fewest repeats, each with the number of its next one."""
    members = _find_front(search, before)
    counted = [(len(search.history.repeat_merits(row, before)), row) for row in members]
    due = [(count, row) for count, row in counted if count < search.spec.request.confirm]
    least = min((count for count, _ in due), default=0)
    return [(row, count + 1) for count, row in due if count == least]

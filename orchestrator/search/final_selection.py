"""Retrain the best networks of a finished search before naming a winner.

A network picked on one noisy training looks better than it is (the winner's curse). So a search without a
required accuracy reserves part of its budget. When it has ended, its best networks are retrained, with the
images and seeds of a baseline's repeats. `FinalSelection` and `FrontSelection` say which, and how often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot
from statistics import fmean

from orchestrator.console.format import belief_text
from orchestrator.search.budget import StudyBudget, hours_used
from orchestrator.search.confirmation import ConfidenceTarget, Winner
from orchestrator.search.loop import SearchLoop
from orchestrator.spec.formulation import Formulation, accuracy
from orchestrator.spec.options import SearchOptions
from orchestrator.trainer_client import network_key
from orchestrator.trial.outcome import is_open, spent
from orchestrator.trial.request import TrialRequest
from results.analysis.pareto import find_front
from results.analysis.posterior import Posterior, believe, spread, students
from results.db.tables import Trial

KEPT_BACK = 0.25  # of all trainings

Due = Callable[[int], list[tuple[Trial, int]]]  # networks to train, each with the number of its repeat


def count_reserved(request: SearchOptions) -> int:
    """Return how many trainings a search reserves; 0 if it confirms networks as it goes."""
    kept = 0 if request.aim.needs_bound or not request.confirm else int(KEPT_BACK * request.trials)
    return kept if request.aim.objectives > 1 else sum(rounds(kept, request.confirm))


def rounds(kept: int, most: int) -> list[int]:
    """Return how many networks are retrained in each round, the start among them: at most `kept` trainings.

    The first round takes a third of `kept` besides the start, each later one half of the round before, and
    the last one network.
    """
    sizes, others, left = list[int](), max(1, kept // 3), kept
    while left > 1 and len(sizes) < most:
        sizes.append(min(others + 1, left))
        left -= sizes[-1]
        others = max(1, (others + 1) // 2)
    return sizes


def search_budget(budget: StudyBudget, request: SearchOptions, rows: Iterable[Trial]) -> StudyBudget:
    """Return the budget of the search itself, without the reserve; trainings in `rows` count."""
    kept, again = count_reserved(request), [row for row in rows if row.purpose == "confirmation"]
    if not kept:
        return budget
    hours = budget.slot_hours
    if hours is not None:
        hours -= max(0.0, hours * kept / budget.trials - hours_used(again))
    return replace(budget, trials=budget.trials - max(0, kept - len(again)), slot_hours=hours)


def train(search: SearchLoop, due: Due, budget: StudyBudget) -> None:
    """Retrain networks in rounds until no more are due or the budget is spent.

    due: returns the networks of the next round, given the first free trial number
    budget: of all the study's trainings
    Raise as `Runner.run` does.
    """
    number = search.next_number
    left = [row for row in search.rows.values() if row.purpose == "confirmation" and is_open(row)]
    if not _run(search, budget, [_order_of(search, row) for row in left if row.number < number]):
        return
    while found := due(number):
        orders = [_order(search, *one, n) for n, one in enumerate(found, start=number)]
        if not _run(search, budget, [order for order in orders if order.row is None or is_open(order.row)]):
            return
        number += len(orders)


def unconfirmed_text(search: SearchLoop) -> str:
    """Return how much was spent on retraining, to follow the text about the search's own trainings."""
    if search.formulation.confirms:
        return ""
    trained = spent(row for row in search.rows.values() if row.purpose == "confirmation")
    return f", and {trained:.4g} more to retrain its best networks" if trained else ""


def replicates(rows: Mapping[int, Trial], of: Trial, before: int) -> list[float]:
    """Return the accuracies of a trial's repeats with numbers below `before`, 0 for one that failed."""
    found = [row for row in rows.values() if row.purpose == "confirmation" and row.number < before]
    return [accuracy(row) for row in found if row.of_trial_number == of.number]


def _run(search: SearchLoop, budget: StudyBudget, orders: Sequence[TrialRequest]) -> bool:
    """Train those that the budget covers; return whether that is all of them."""
    paid = budget.reached(orders, search.rows.values())
    trained = search.runner.run(paid)
    search.rows |= {row.number: row for row in trained}
    return len(paid) == len(orders) and not any(map(is_open, trained))


def _order(search: SearchLoop, of: Trial, replicate: int, number: int) -> TrialRequest:
    formulation = search.formulation
    choice = formulation.choice(formulation.space.point(of.point or {}))
    config = search.training.config(choice, replicate)
    description = search.trainer_client.describe(config)
    key, row = network_key(description, config), search.rows.get(number)
    point = dict(of.point or {})
    return TrialRequest(number, "confirmation", point, replicate, config, description, key, row, of.number)


def _order_of(search: SearchLoop, row: Trial) -> TrialRequest:
    assert row.of_trial_number is not None
    return _order(search, search.rows[row.of_trial_number], row.replicate, row.number)


def select_winner(
    search: SearchLoop, trust: ConfidenceTarget, kept: int, budget: StudyBudget
) -> Winner | None:
    """Retrain the best networks of a finished search, and return the winner; None if there is none.

    kept: the reserved trainings. budget: of all the study's trainings. Raise as `Runner.run` does.
    """
    leaders = FinalSelection(search.formulation, search.rows, rounds(kept, trust.most), search.next_number)
    if kept:
        found = ", ".join(str(row.number) for row in leaders.entrants)
        search.display.note(
            f"retraining the best: {f'trials {found}' if found else 'none, since none succeeded'}"
        )
        train(search, leaders.due, budget)
    winner = leaders.winner(trust, search.training.validation_images)
    if winner and winner.belief:
        known = belief_text(winner.belief, None)
        search.display.note(f"trial {winner.trial.number} {winner.status}: {known}{_better(winner)}")
    return winner


def _better(winner: Winner) -> str:
    if winner.probability is None:
        return ""
    return f", {winner.probability:.1%} likely to be more accurate than the start"


@dataclass(frozen=True)
class FinalSelection:
    """The best networks of one search. They depend only on rows, so a resumed search retrains the same."""

    formulation: Formulation
    rows: Mapping[int, Trial]  # the study's, by number
    sizes: Sequence[int]  # of the rounds
    end: int  # the first trial number that the search has not used

    @property
    def entrants(self) -> list[Trial]:
        """The first round: the start, if it was trained, and the most accurate others."""
        trained = [
            row for row in self.rows.values() if row.number < self.end and self.formulation.passed(row)
        ]
        trained.sort(key=lambda row: (not self._is_start(row), -accuracy(row), row.number))
        return trained[: self.sizes[0]] if self.sizes else []

    def due(self, before: int) -> list[tuple[Trial, int]]:
        """Return the networks still to be trained in the first incomplete round."""
        for replicate, field in self._rounds(before):
            if lacking := [row for row in field if len(self._again(row, before)) < replicate]:
                return [(row, replicate) for row in lacking]
        return []

    def winner(self, trust: ConfidenceTarget, validation_images: int) -> Winner | None:
        """Return the best of the last complete round; without one, the best single training.

        It is confirmed if it is the start, or more accurate with enough probability.
        """
        end = max(self.rows, default=0) + 1
        field = list[Trial]()
        for replicate, rivals in self._rounds(end):
            if all(len(self._again(row, end)) >= replicate for row in rivals):
                field = rivals
        if not field:
            best = self.formulation.best(list(self.rows.values()))
            return Winner(best, "provisional", None) if best else None
        within = spread([one for one in self._again(row, end) if one] for row in self.entrants)
        trained = {row.number: self._again(row, end) for row in field}
        beliefs = {n: believe(t, within.noise(fmean(t), validation_images)) for n, t in trained.items()}
        best = max(field, key=lambda row: (beliefs[row.number].mean, -row.number))
        chance = self._chance(best, field[0], beliefs)
        is_true = self._is_start(best) or (chance is not None and chance >= trust.passing)
        return Winner(best, "confirmed" if is_true else "provisional", beliefs[best.number], chance)

    def _rounds(self, before: int) -> Iterator[tuple[int, list[Trial]]]:
        """Yield the number and the networks of each round, up to the first incomplete one."""
        field = self.entrants
        for replicate, size in enumerate(self.sizes, start=1):
            if replicate > 1:
                field = self._best(field, size, replicate - 1, before)
            yield replicate, field
            if not field or any(len(self._again(row, before)) < replicate for row in field):
                return

    def _best(self, field: Sequence[Trial], size: int, trained: int, before: int) -> list[Trial]:
        """Return the start and the best of the others after so many repeats."""
        known = {row.number: fmean(self._again(row, before)[:trained]) for row in field}
        ranked = sorted(field, key=lambda row: (not self._is_start(row), -known[row.number], row.number))
        return ranked[:size]

    def _again(self, row: Trial, before: int) -> list[float]:
        return replicates(self.rows, row, before)

    def _is_start(self, row: Trial) -> bool:
        return row.point == dict(self.formulation.start)

    def _chance(self, best: Trial, first: Trial, beliefs: Mapping[int, Posterior]) -> float | None:
        """Return the probability that `best` is more accurate than the start, treating both as
        independent.
        """
        if best.number == first.number or not self._is_start(first):
            return None
        one, start = beliefs[best.number], beliefs[first.number]
        error = hypot(one.standard_error, start.standard_error)
        return students(one.freedom, (one.mean - start.mean) / error)


def confirm_front(search: SearchLoop, most: int, budget: StudyBudget) -> None:
    """Retrain the networks on the Pareto front of a finished search, in rounds.

    most: repeats per network. budget: of all the study's trainings
    Raise as `Runner.run` does.
    """
    front = FrontSelection(search.formulation, search.rows)
    found = ", ".join(str(row.number) for row in front.known(search.next_number))
    search.display.note(f"Pareto front of the search: {f'trials {found}' if found else 'empty'}")
    train(search, lambda number: front.due(number, most), budget)


@dataclass(frozen=True)
class FrontSelection:
    """The Pareto front of one search. It depends only on rows, so a resumed search retrains the same."""

    formulation: Formulation
    rows: Mapping[int, Trial]  # the study's, by number

    def known(self, before: int) -> list[Trial]:
        """Return the front according to the trials with numbers below `before`, the smallest first."""
        passed = [
            row for row in self.rows.values() if row.number < before and self._mean(row, before) is not None
        ]
        return find_front(
            passed, lambda row: (self.formulation.size(row), self._mean(row, before) or 0.0, row.number)
        )

    def due(self, before: int, most: int) -> list[tuple[Trial, int]]:
        """Return the networks of the next round: those on the front with the fewest trainings."""
        counted = [(len(replicates(self.rows, row, before)), row) for row in self.known(before)]
        due = [(count, row) for count, row in counted if count < most]
        least = min((count for count, _ in due), default=0)
        return [(row, count + 1) for count, row in due if count == least]

    def _mean(self, row: Trial, before: int) -> float | None:
        """Return the mean of a network's repeats, or else its own accuracy; None if it is not compared."""
        if row.purpose != "search" or row.state != "completed":
            return None
        if not self.formulation.holds_after_training(row):
            return None
        trained = replicates(self.rows, row, before)
        mean = fmean(trained) if trained else accuracy(row)
        return mean if mean >= (self.formulation.min_accuracy or 0.0) else None

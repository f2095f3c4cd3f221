"""Know the most accurate of a search by trainings that it was not picked by.

The best of many noisy trainings was lucky. So the best few are trained again beside the point where the
search started: all of them once, the better half once more, and so on (successive halving, Jamieson and
Talwalkar 2016). What is left at the end is named, with its replicates for its accuracy, and believed to be
better than the start as far as both their replicates say so. The surprise: the start itself may win.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from statistics import fmean

from orchestrator.console.format import belief_text
from orchestrator.search import final_selection
from orchestrator.search.budget import StudyBudget
from orchestrator.search.confirmation import ConfidenceTarget, Winner
from orchestrator.search.loop import SearchLoop
from orchestrator.spec.formulation import Formulation, accuracy
from results.analysis.posterior import Posterior, believe, spread, students
from results.db.tables import Trial


def select_winner(
    search: SearchLoop, trust: ConfidenceTarget, kept: int, budget: StudyBudget
) -> Winner | None:
    """Train the leaders of a search that has ended again, and return the winner; None where there is none.

    kept: trainings for it. budget: of all the study's trainings. Raise as `Runner.run` does.
    """
    leaders = FinalSelection(
        search.formulation, search.rows, final_selection.rounds(kept, trust.most), search.next_number
    )
    if kept:
        found = ", ".join(str(row.number) for row in leaders.entrants)
        search.display.note(f"trained again: {f'trials {found}' if found else 'none, for none succeeded'}")
        final_selection.train(search, leaders.due, budget)
    winner = leaders.winner(trust, search.training.validation_images)
    if winner and winner.belief:
        known = belief_text(winner.belief, None)
        search.display.note(f"trial {winner.trial.number} {winner.status}: {known}{_better(winner)}")
    return winner


def _better(winner: Winner) -> str:
    if winner.probability is None:
        return ""
    return f", more accurate than the start with probability {winner.probability:.1%}"


@dataclass(frozen=True)
class FinalSelection:
    """The leaders of one search. They depend on nothing but rows, so a resumed search trains the same."""

    formulation: Formulation
    rows: Mapping[int, Trial]  # the study's, by number
    sizes: Sequence[int]  # of the rounds
    end: int  # the first number that the search has not taken

    @property
    def entrants(self) -> list[Trial]:
        """The first round: the start, where it was trained, and the most accurate others."""
        trained = [
            row for row in self.rows.values() if row.number < self.end and self.formulation.passed(row)
        ]
        trained.sort(key=lambda row: (not self._is_start(row), -accuracy(row), row.number))
        return trained[: self.sizes[0]] if self.sizes else []

    def due(self, before: int) -> list[tuple[Trial, int]]:
        """Return the networks that the first incomplete round lacks."""
        for replicate, field in self._rounds(before):
            if lacking := [row for row in field if len(self._again(row, before)) < replicate]:
                return [(row, replicate) for row in lacking]
        return []

    def winner(self, trust: ConfidenceTarget, validation_images: int) -> Winner | None:
        """Return the best of the last round that is complete; without any, the best training.

        It is confirmed where it is the start, or believed to be more accurate.
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
        """Give the number and the field of each round, to the first that is not complete."""
        field = self.entrants
        for replicate, size in enumerate(self.sizes, start=1):
            if replicate > 1:
                field = self._best(field, size, replicate - 1, before)
            yield replicate, field
            if not field or any(len(self._again(row, before)) < replicate for row in field):
                return

    def _best(self, field: Sequence[Trial], size: int, trained: int, before: int) -> list[Trial]:
        """Return the start and the best of the others after so many trainings again."""
        known = {row.number: fmean(self._again(row, before)[:trained]) for row in field}
        ranked = sorted(field, key=lambda row: (not self._is_start(row), -known[row.number], row.number))
        return ranked[:size]

    def _again(self, row: Trial, before: int) -> list[float]:
        return final_selection.replicates(self.rows, row, before)

    def _is_start(self, row: Trial) -> bool:
        return row.point == dict(self.formulation.start)

    def _chance(self, best: Trial, first: Trial, beliefs: Mapping[int, Posterior]) -> float | None:
        """Return the probability of being more accurate than the start, as if both were independent."""
        if best.number == first.number or not self._is_start(first):
            return None
        one, start = beliefs[best.number], beliefs[first.number]
        error = hypot(one.standard_error, start.standard_error)
        return students(one.freedom, (one.mean - start.mean) / error)

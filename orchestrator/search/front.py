"""Know the front of a search by trainings that it was not picked by.

When the search has ended, the front's networks are trained again. One that falls below a smaller one leaves
the front; what it hid comes up and is trained again in its turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from orchestrator.search import final_selection
from orchestrator.search.budget import StudyBudget
from orchestrator.search.loop import SearchLoop
from orchestrator.spec.formulation import Formulation, accuracy
from results.analysis.pareto import undominated
from results.db.tables import Trial


def confirm_front(search: SearchLoop, most: int, budget: StudyBudget) -> None:
    """Train the networks on the front of a search that has ended again, in rounds.

    Raise as `Runner.run` does.
    most: trainings more of a network. budget: of all the study's trainings
    """
    front = FrontSelection(search.formulation, search.rows)
    found = ", ".join(str(row.number) for row in front.known(search.next_number))
    search.display.note(f"the front of the search: {f'trials {found}' if found else 'nothing yet'}")
    final_selection.train(search, lambda number: front.due(number, most), budget)


@dataclass(frozen=True)
class FrontSelection:
    """The front of one search. It depends on nothing but rows, so a resumed search trains the same."""

    formulation: Formulation
    rows: Mapping[int, Trial]  # the study's, by number

    def known(self, before: int) -> list[Trial]:
        """Return the front as the trials with smaller numbers than `before` know it, the smallest first."""
        passed = [
            row for row in self.rows.values() if row.number < before and self._mean(row, before) is not None
        ]
        return undominated(
            passed, lambda row: (self.formulation.size(row), self._mean(row, before) or 0.0, row.number)
        )

    def due(self, before: int, most: int) -> list[tuple[Trial, int]]:
        """Return the networks of the next round: those of the front that have had the fewest trainings."""
        counted = [
            (len(final_selection.replicates(self.rows, row, before)), row) for row in self.known(before)
        ]
        due = [(count, row) for count, row in counted if count < most]
        least = min((count for count, _ in due), default=0)
        return [(row, count + 1) for count, row in due if count == least]

    def _mean(self, row: Trial, before: int) -> float | None:
        """Return the mean of its replicates, or else its own accuracy; None where it takes no part."""
        if row.purpose != "search" or row.state != "completed":
            return None
        trained = final_selection.replicates(self.rows, row, before)
        mean = fmean(trained) if trained else accuracy(row)
        return mean if mean >= (self.formulation.min_accuracy or 0.0) else None

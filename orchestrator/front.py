"""Know the front of a search by trainings that it was not picked by.

A network is on the front of single noisy trainings because it is small and good, or because it was lucky. So
a part of the budget is kept back, and when the search has ended the front's networks are trained again, on
the images and with the seeds of a baseline's replicates. One that falls below a smaller one leaves the front;
what it hid comes up and is trained again in its turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from orchestrator.budget import Budget, hours_used
from orchestrator.describe import Describes, network_key
from orchestrator.display import Display
from orchestrator.formulation import Formulation, accuracy
from orchestrator.options import Request
from orchestrator.order import Order
from orchestrator.outcome import is_open
from orchestrator.runner import Runner
from orchestrator.search import Search
from orchestrator.training import Training
from results.front import undominated
from results.models import Trial

KEPT_BACK = 0.25  # of all trainings


def searched(budget: Budget, request: Request, rows: Iterable[Trial]) -> Budget:
    """Return what a search may have spent when it ends, what is on its record included.

    A front's keeps some back to know the front by, unless no network is to be trained again.
    """
    if request.aim.objectives == 1 or not request.confirm:
        return budget
    again = [row for row in rows if row.purpose == "confirmation"]
    trials = budget.trials - max(0, int(KEPT_BACK * budget.trials) - len(again))
    hours = budget.slot_hours
    if hours is not None:
        hours -= max(0.0, KEPT_BACK * hours - hours_used(again))
    return replace(budget, trials=trials, slot_hours=hours)


def know(search: Search, most: int, budget: Budget) -> None:
    """Train the networks on the front of a search that has ended again. Raise as `Runner.run` does."""
    front = Front(
        search.formulation,
        search.training,
        search.describer,
        search.runner,
        search.display,
        search.rows,
        most,
        budget,
    )
    found = ", ".join(str(row.number) for row in front.known(search.next_number))
    search.display.note(f"the front of the search: {f'trials {found}' if found else 'nothing yet'}")
    front.train_again(search.next_number)


@dataclass
class Front:
    """The front of one search. What it trains depends on nothing but rows, so a resumed one does the same.

    most: trainings more of a network. budget: of all the study's trainings
    """

    formulation: Formulation
    training: Training
    describer: Describes
    runner: Runner
    display: Display
    rows: dict[int, Trial]  # the study's, by number
    most: int
    budget: Budget

    def train_again(self, number: int) -> None:
        """Train until every network of the front has been `most` times, or the budget is spent.

        It goes in rounds, one training more each for those of the front that have had the fewest. `number`:
        the first that the search has not taken. Raise as `Runner.run` does.
        """
        left = [row for row in self.rows.values() if row.purpose == "confirmation" and is_open(row)]
        if not self._run([self._order_of(row) for row in left if row.number < number]):
            return
        while due := self._due(number):
            orders = [self._order(*one, n) for n, one in enumerate(due, start=number)]
            if not self._run([order for order in orders if order.row is None or is_open(order.row)]):
                return
            number += len(orders)

    def known(self, before: int) -> list[Trial]:
        """Return the front as the trials with smaller numbers than `before` know it, the smallest first."""
        passed = [
            row for row in self.rows.values() if row.number < before and self._mean(row, before) is not None
        ]
        return undominated(
            passed, lambda row: (self.formulation.size(row), self._mean(row, before) or 0.0, row.number)
        )

    def _mean(self, row: Trial, before: int) -> float | None:
        """Return the mean of its replicates, or else its own accuracy; None where it takes no part."""
        if row.purpose != "search" or row.state != "completed":
            return None
        again = [accuracy(one) for one in self._replicates(row, before)]
        mean = fmean(again) if again else accuracy(row)
        return mean if mean >= (self.formulation.min_accuracy or 0.0) else None

    def _replicates(self, row: Trial, before: int) -> list[Trial]:
        return [
            one
            for one in self.rows.values()
            if one.purpose == "confirmation" and one.of_trial_number == row.number and one.number < before
        ]

    def _due(self, before: int) -> list[tuple[Trial, int]]:
        """Return the networks of the next round, each with the number of its replicate."""
        counted = [(len(self._replicates(row, before)), row) for row in self.known(before)]
        due = [(count, row) for count, row in counted if count < self.most]
        least = min((count for count, _ in due), default=0)
        return [(row, count + 1) for count, row in due if count == least]

    def _run(self, orders: Sequence[Order]) -> bool:
        """Train those that the budget reaches; whether that is all of them."""
        paid = self.budget.reached(orders, self.rows.values())
        self.rows |= {row.number: row for row in self.runner.run(paid)}
        return len(paid) == len(orders)

    def _order(self, of: Trial, replicate: int, number: int) -> Order:
        config = self.training.config(
            self.formulation.choice(self.formulation.space.point(of.point or {})), replicate
        )
        description = self.describer.describe(config)
        key = network_key(description, config)
        row = self.rows.get(number)
        return Order(
            number, "confirmation", dict(of.point or {}), replicate, config, description, key, row, of.number
        )

    def _order_of(self, row: Trial) -> Order:
        assert row.of_trial_number is not None
        return self._order(self.rows[row.of_trial_number], row.replicate, row.number)

"""Know the front of a search by trainings that it was not picked by.

A network is on the front of single noisy trainings because it is small and good, or because it was lucky. So
a part of the budget is kept back, and when the search has ended the front's networks are trained again, on
the images and with the seeds of a baseline's replicates. One that falls below a smaller one leaves the front;
what it hid comes up and is trained again in its turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from orchestrator.describe import Describes, network_key
from orchestrator.display import Display
from orchestrator.formulation import Formulation, accuracy
from orchestrator.options import Request
from orchestrator.outcome import affordable, is_open, spent
from orchestrator.runner import Order, Runner
from orchestrator.search import Search
from orchestrator.training import Training
from results.front import undominated
from results.models import Trial

KEPT_BACK = 0.25  # of all trainings


def searched(request: Request, rows: Iterable[Trial]) -> int:
    """Return the trainings that a search may have spent when it ends, those of its record included.

    A front's keeps some back to know the front by, unless no network is to be trained again.
    """
    if request.aim.objectives == 1:
        return request.trials
    kept = int(KEPT_BACK * request.trials) if request.confirm else 0
    return request.trials - max(0, kept - sum(row.purpose == "confirmation" for row in rows))


def know(search: Search, most: int, budget_trials: int) -> str:
    """Train the networks on the front of a search that has ended again, and say what of it was spent.

    Raise as `Runner.run` does.
    """
    front = Front(
        search.formulation,
        search.training,
        search.describer,
        search.runner,
        search.display,
        search.rows,
        most,
        budget_trials,
    )
    found = ", ".join(str(row.number) for row in front.known(search.next_number))
    search.display.note(f"the front of the search: {f'trials {found}' if found else 'nothing yet'}")
    front.train_again(search.next_number)
    again = spent(row for row in search.rows.values() if row.purpose == "confirmation")
    return f", and {again:.4g} more on its front" if again else ""


@dataclass
class Front:
    """The front of one search. What it trains depends on nothing but rows, so a resumed one does the same.

    most: trainings more of a network. budget_trials: of all the study's trainings
    """

    formulation: Formulation
    training: Training
    describer: Describes
    runner: Runner
    display: Display
    rows: dict[int, Trial]  # the study's, by number
    most: int
    budget_trials: int

    def train_again(self, number: int) -> None:
        """Train until every network of the front has been `most` times, or the budget is spent.

        It goes in rounds, one training more each for those of the front that have had the fewest. `number`:
        the first that the search has not taken. Raise as `Runner.run` does.
        """
        left = [row for row in self.rows.values() if row.purpose == "confirmation" and is_open(row)]
        self._run([self._order_of(row) for row in left if row.number < number])
        while due := self._due(number):
            orders = [self._order(*one, n) for n, one in enumerate(due, start=number)]
            new = [order for order in orders if order.row is None]
            paid = new[: affordable(self.budget_trials, self.rows.values())]
            self._run([o for o in orders if o in paid or (o.row is not None and is_open(o.row))])
            if len(paid) < len(new):
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

    def _run(self, orders: Sequence[Order]) -> None:
        self.rows |= {row.number: row for row in self.runner.run(orders)}

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

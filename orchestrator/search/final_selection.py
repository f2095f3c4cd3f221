"""Train networks of a search again that has ended, by trainings that they were not picked by.

What is picked by single noisy trainings was lucky as likely as good. So a search without a bound keeps a part
of its budget back, and when it has ended what it is about to name is trained again, on the images and with
the seeds of a baseline's replicates. `front.py` and `leaders.py` say which networks, and how often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from orchestrator.search.budget import StudyBudget, hours_used
from orchestrator.search.loop import SearchLoop
from orchestrator.spec.formulation import accuracy
from orchestrator.spec.options import SearchOptions
from orchestrator.trainer_client import network_key
from orchestrator.trial.outcome import is_open, spent
from orchestrator.trial.request import TrialRequest
from results.db.tables import Trial

KEPT_BACK = 0.25  # of all trainings

Due = Callable[[int], list[tuple[Trial, int]]]  # networks to train, each with the number of its replicate


def kept_back(request: SearchOptions) -> int:
    """Return the trainings that a search keeps back, none where its networks are confirmed on its way."""
    kept = 0 if request.aim.needs_bound or not request.confirm else int(KEPT_BACK * request.trials)
    return kept if request.aim.objectives > 1 else sum(rounds(kept, request.confirm))


def rounds(kept: int, most: int) -> list[int]:
    """Return how many leaders are trained in each round, the start among them: at most `kept` trainings.

    The first takes a third beside the start, each other one half as many as the one before, in the end one.
    """
    sizes, others, left = list[int](), max(1, kept // 3), kept
    while left > 1 and len(sizes) < most:
        sizes.append(min(others + 1, left))
        left -= sizes[-1]
        others = max(1, (others + 1) // 2)
    return sizes


def search_budget(budget: StudyBudget, request: SearchOptions, rows: Iterable[Trial]) -> StudyBudget:
    """Return what a search may have spent when it ends, what is on its record included."""
    kept, again = kept_back(request), [row for row in rows if row.purpose == "confirmation"]
    if not kept:
        return budget
    hours = budget.slot_hours
    if hours is not None:
        hours -= max(0.0, hours * kept / budget.trials - hours_used(again))
    return replace(budget, trials=budget.trials - max(0, kept - len(again)), slot_hours=hours)


def train(search: SearchLoop, due: Due, budget: StudyBudget) -> None:
    """Train what is due, and what is due then, until nothing is or the budget is spent.

    due: told the first number that no trial before it has. budget: of all the study's trainings. Raise
    as `Runner.run` does.
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
    """Return what of the budget was spent when the search had ended, to go on with its own."""
    if search.formulation.confirms:
        return ""
    trained = spent(row for row in search.rows.values() if row.purpose == "confirmation")
    return f", and {trained:.4g} more to train its best again" if trained else ""


def replicates(rows: Mapping[int, Trial], of: Trial, before: int) -> list[float]:
    """Return the accuracies of its trainings again with smaller numbers, 0 for one that failed."""
    found = [row for row in rows.values() if row.purpose == "confirmation" and row.number < before]
    return [accuracy(row) for row in found if row.of_trial_number == of.number]


def _run(search: SearchLoop, budget: StudyBudget, orders: Sequence[TrialRequest]) -> bool:
    """Train those that the budget reaches; whether that is all of them."""
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

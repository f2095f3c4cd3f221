"""Train the winner again before believing it.

A search picks the cheapest network that passed, and on noisy single trainings that is often the
luckiest one. So candidates, cheapest first, are trained again on other images with other seeds,
those of the baseline's replicates, and the first whose mean over all its trainings keeps the
bound is the winner. Without budget left to train a candidate again, the winner is provisional.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.describe import network_key
from orchestrator.formulation import accuracy
from orchestrator.runner import Order
from orchestrator.search import Search
from results.models import Trial


@dataclass(frozen=True)
class Winner:
    """The network that a search names, and the accuracies of all its trainings (fractions)."""

    trial: Trial
    status: Literal["provisional", "confirmed"]
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.accuracies)


def confirm(search: Search, replicates: int, min_accuracy: float, budget_trials: int) -> Winner | None:
    """Return the winner of an ended search; None where no network kept the bound.

    Each candidate is trained `replicates` times more while the study's trainings stay within
    `budget_trials`. Failed replicates count as an accuracy of 0.
    """
    for candidate in _candidates(list(search.rows.values()), min_accuracy):
        orders = _orders(search, candidate, replicates)
        new = [order for order in orders if order.row is None]
        if not replicates or search.trainings + len(new) > budget_trials:
            return Winner(candidate, "provisional", (accuracy(candidate),))
        for row in search.runner.run([o for o in orders if o.row is None or o.row.state == "running"]):
            search.rows[row.number] = row
        winner = Winner(candidate, "confirmed", _accuracies(search, candidate))
        kept = winner.mean >= min_accuracy
        verdict = "confirmed" if kept else "rejected"
        detail = {"number": candidate.number, "accuracies": list(winner.accuracies), "bound": min_accuracy}
        search.store.note(search.study_id, f"candidate_{verdict}", detail, candidate.id)
        search.display.note(
            f"trial {candidate.number} {verdict}: mean of {len(winner.accuracies)} trainings "
            f"{100 * winner.mean:.2f}%, bound {100 * min_accuracy:.2f}%"
        )
        if kept:
            return winner
    return None


def _candidates(rows: Sequence[Trial], min_accuracy: float) -> list[Trial]:
    searched = (row for row in rows if row.purpose == "search" and row.state == "completed")
    passed = [row for row in searched if accuracy(row) >= min_accuracy]
    return sorted(passed, key=lambda row: (row.macs or 0, row.number))


def _orders(search: Search, candidate: Trial, replicates: int) -> list[Order]:
    """Return one order a replicate, with its row where the record has it."""
    recorded = {row.replicate: row for row in search.rows.values() if _confirms(row, candidate)}
    number = max(search.next_number, max(search.rows) + 1)
    orders = []
    for replicate in range(1, replicates + 1):
        row = recorded.get(replicate)
        chosen = search.formulation.choice(search.formulation.space.point(candidate.point or {}))
        config = search.training.config(chosen, replicate)
        description = search.describer.describe(config)
        key = network_key(description, config)
        orders.append(
            Order(
                row.number if row else number,
                "confirmation",
                candidate.point or {},
                replicate,
                config,
                description,
                key,
                row,
                of_trial_number=candidate.number,
            )
        )
        number += row is None
    return orders


def _accuracies(search: Search, candidate: Trial) -> tuple[float, ...]:
    confirmations = [row for row in search.rows.values() if _confirms(row, candidate)]
    return tuple(accuracy(row) for row in (candidate, *confirmations))


def _confirms(row: Trial, candidate: Trial) -> bool:
    return row.purpose == "confirmation" and row.of_trial_number == candidate.number

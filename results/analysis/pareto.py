"""The front of a study: the networks that no other one betters both in size and in accuracy (Pareto).

A network that was trained once is on the front of a search by luck more often than not, so accuracies are
those of its replicates as soon as it has any, and a member without any is provisional.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from results.analysis.networks import SIZE_COLUMNS, SIZES, Network, networks, typed
from results.analysis.posterior import students

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["trial", *SIZE_COLUMNS, "mean_accuracy", "accuracy_low", "accuracy_high", "trainings"]
COLUMNS += ["probability", "status"]
_Item = TypeVar("_Item")


def undominated(items: Iterable[_Item], place: Callable[[_Item], tuple[float, float, int]]) -> list[_Item]:
    """Return the items that no other betters, the smallest first.

    place: an item's size, its accuracy, and a number by which the first of equals is the one that stays
    """
    front = list[_Item]()
    most = -math.inf
    for item in sorted(items, key=lambda one: (place(one)[0], -place(one)[1], place(one)[2])):
        accuracy = place(item)[1]
        if accuracy > most:
            front.append(item)
            most = accuracy
    return front


def members(trials: pd.DataFrame, minimise: str, level: float, bound: float = 0.0) -> pd.DataFrame:
    """Return a row a network of the front, the smallest first.

    `probability`: with which it is truly more accurate than every smaller one of the front, taken one by one
    as if they were independent; missing for a network that was trained once. `status` is 'confirmed' where
    that is at least `level`. `trials`: the rows of `queries.trials` of one study; those whose accuracy is
    below `bound` take no part.
    """
    searched = trials[trials["purpose"].isin(("search", "confirmation"))]
    accuracies = searched[searched["state"] == "completed"]["val_accuracy"].dropna()
    usual = float(statistics.median(accuracies)) if len(accuracies) else 0.5
    known = [one for one in networks(searched, usual) if one.belief.mean >= bound]
    size = SIZES[minimise]
    front = undominated(known, lambda one: (one.row[size], one.belief.mean, one.trial))
    return typed([_row(one, front[:place], level) for place, one in enumerate(front)], COLUMNS)


def _row(network: Network, smaller: Sequence[Network], level: float) -> dict[str, Any]:
    probability = _probability(network, smaller) if network.is_replicated else None
    status = "confirmed" if probability is not None and probability >= level else "provisional"
    return network.columns() | {"probability": probability, "status": status}


def _probability(network: Network, smaller: Sequence[Network]) -> float:
    """The product over the smaller ones; each difference is Student's t, its spread that of both beliefs."""
    one, product = network.belief, 1.0
    for other in (each.belief for each in smaller):
        error = math.hypot(one.standard_error, other.standard_error)
        product *= students(one.freedom, (one.mean - other.mean) / error)
    return product

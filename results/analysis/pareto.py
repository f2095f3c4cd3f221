"""The Pareto front of a study: the networks that no other network beats in both size and accuracy.

A network that was trained once is often on the front by luck. So accuracies are the means of repeats if
there are any, and a network without repeats is provisional.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from results.analysis.networks import (
    Network,
    build_frame,
    eligible,
    networks,
    size_columns,
    sought_values,
)
from results.analysis.posterior import VerdictSettings, students
from results.metrics import shown_metric

if TYPE_CHECKING:
    import pandas as pd

_ACCURACY = ("mean_accuracy", "accuracy_low", "accuracy_high", "trainings", "probability", "status")
_Item = TypeVar("_Item")


def find_front(items: Iterable[_Item], place: Callable[[_Item], tuple[float, float, int]]) -> list[_Item]:
    """Return the items that no other dominates, the smallest first.

    place: returns an item's size, its accuracy, and a number; of equal items the one with the lowest stays
    """
    front = list[_Item]()
    most = -math.inf
    for item in sorted(items, key=lambda one: (place(one)[0], -place(one)[1], place(one)[2])):
        accuracy = place(item)[1]
        if accuracy > most:
            front.append(item)
            most = accuracy
    return front


def members(trials: pd.DataFrame, study: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per network of the front, the smallest first.

    `probability`: that it is truly more accurate than every smaller one on the front, treating the
    comparisons as independent; missing for a network that was trained once. `status` is 'confirmed' if that
    is at least the study's confidence level. Networks below its required accuracy are left out.
    `trials`: the rows of `queries.trials`. `study`: its row of `studies`, with None for what is missing.
    """
    settings, bound = VerdictSettings.read(study["question"]), study["min_accuracy"] or 0.0
    searched = trials[trials["purpose"].isin(("search", "confirmation"))]
    accuracies = sought_values(searched[searched["state"] == "completed"]).dropna()
    usual = float(statistics.median(accuracies)) if len(accuracies) else 0.5
    known = [one for one in networks(eligible(searched, study), usual, settings) if one.belief.mean >= bound]
    size = shown_metric(study["minimise"]).column
    front = find_front(known, lambda one: (one.row[size], one.belief.mean, one.trial))
    columns = ["trial", *size_columns(study["minimise"]), *_ACCURACY]
    return build_frame([_row(one, front[:place], settings.level) for place, one in enumerate(front)], columns)


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

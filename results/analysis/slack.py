"""Accuracy trade-off: the smallest network at several required accuracies, from the trials of a study.

Nothing is trained for it. A network that was trained once was selected by that training, which is therefore
biased upwards (the winner's curse). So it has no probability and never counts as sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.analysis.networks import Network, build_frame, eligible, networks, size_columns
from results.analysis.posterior import level_of, passing
from results.metrics import shown_metric
from results.packages import pandas as pd

SLACKS = (-0.005, -0.0025, 0.0, 0.0025)  # added to the required accuracy; a negative one gives up accuracy
_ACCURACY = ("mean_accuracy", "accuracy_low", "accuracy_high", "trainings", "probability")


def cheapest(trials: pd.DataFrame, study: Mapping[str, Any]) -> pd.DataFrame:
    """Return two rows per required accuracy, each with the smallest network that reaches it, if there is one.

    `evidence` is 'mean' if the mean of the network's trainings reaches it, and 'sure' if it does so with
    the probability that confirms a network at the study's confidence level. Columns: slack, bound, evidence,
    trial, macs, parameters, latency_ms, what is minimised, mean_accuracy, accuracy_low and accuracy_high (the
    95% interval), trainings, probability (missing for a single training of a search).
    `trials`: the rows of `queries.trials`. `study`: its row of `studies`.
    """
    bound, minimise, level = float(study["min_accuracy"]), study["minimise"], level_of(study["question"])
    size = shown_metric(minimise).column
    found = networks(eligible(trials, study), bound)
    found = sorted(found, key=lambda network: (network.row[size], network.trial))
    rows = []
    for slack in SLACKS:
        kept = [network for network in found if network.belief.mean >= bound + slack]
        sure = [n for n in kept if n.is_replicated and n.belief.probability(bound + slack) >= passing(level)]
        rows += [_row(slack, bound, "mean", kept), _row(slack, bound, "sure", sure)]
    return build_frame(rows, ["slack", "bound", "evidence", "trial", *size_columns(minimise), *_ACCURACY])


def _row(slack: float, bound: float, evidence: str, found: Sequence[Network]) -> dict[str, Any]:
    asked = {"slack": slack, "bound": bound + slack, "evidence": evidence}
    if not found:
        return asked
    best = found[0]
    probability = best.belief.probability(bound + slack) if best.is_replicated else None
    return asked | best.columns() | {"probability": probability}

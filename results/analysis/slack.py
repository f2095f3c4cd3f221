"""Accuracy trade-off: the smallest network at several required accuracies, from the trials of a study.

Nothing is trained for it. A network that was trained once was selected by that training, which is therefore
biased upwards (the winner's curse). So it has no probability and never counts as sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.analysis.networks import Network, build_frame, eligible, networks, size_columns
from results.analysis.posterior import VerdictSettings
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
    bound, minimise = float(study["min_accuracy"]), study["minimise"]
    settings = VerdictSettings.read(study["question"])
    size = shown_metric(minimise).column
    found = networks(eligible(trials, study), bound, settings)
    found = sorted(found, key=lambda network: (network.row[size], network.trial))
    rows = []
    for slack in SLACKS:
        tolerance = settings.tolerance - slack
        kept = [
            network
            for network in found
            if (network.belief.mean - bound if network.lead is None else network.lead + settings.tolerance)
            >= slack
        ]
        known = {network.trial: network.probability(bound + slack, tolerance) for network in kept}
        sure = [network for network in kept if (known[network.trial] or 0.0) >= settings.needed]
        rows += [
            _row(slack, bound, evidence, some, known) for evidence, some in (("mean", kept), ("sure", sure))
        ]
    return build_frame(rows, ["slack", "bound", "evidence", "trial", *size_columns(minimise), *_ACCURACY])


def _row(
    slack: float,
    bound: float,
    evidence: str,
    found: Sequence[Network],
    probabilities: Mapping[int, float | None],
) -> dict[str, Any]:
    asked = {"slack": slack, "bound": bound + slack, "evidence": evidence}
    if not found:
        return asked
    return asked | found[0].columns() | {"probability": probabilities[found[0].trial]}

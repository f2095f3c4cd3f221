"""What giving up a little accuracy would save: the cheapest network at several bounds, from a study's trials.

Nothing is trained for it. A network that was trained once is known by that training alone, which a search
picked for being good, so it has no probability and never counts as sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from results.networks import SIZE_COLUMNS, SIZES, Network, networks, typed

SLACKS = (
    -0.005,
    -0.0025,
    0.0,
    0.0025,
)  # added to the bound; a negative one gives up accuracy
SURE = 0.95
COLUMNS = ["slack", "bound", "evidence", "trial", *SIZE_COLUMNS, "mean_accuracy", "accuracy_low"]
COLUMNS += ["accuracy_high", "trainings", "probability"]


<<<<<<< HEAD
@dataclass(frozen=True)
class Network:
    """A network that was trained to the end at least once; `trial` is the first number of its trainings."""

    trial: int
    macs: int
    belief: Belief
    is_replicated: bool  # so that the belief is of trainings that nothing was selected by


def cheapest(trials: pd.DataFrame, bound: float) -> pd.DataFrame:
=======
def cheapest(trials: pd.DataFrame, bound: float, minimise: str = "macs") -> pd.DataFrame:
>>>>>>> main
    """Return two rows a bound, each with the cheapest network, or without one where there is none.

    `evidence` is 'mean' where the mean of a network's trainings keeps the bound, and 'sure' where it does so
    with a probability of at least .95. Columns: slack, bound, evidence, trial, macs, parameters, latency_ms,
    mean_accuracy, accuracy_low and accuracy_high (the 95% interval), trainings, probability (missing for a
    single training of a search).
    `trials`: the rows of `queries.trials` of one study. `minimise`: what it minimises.
    """
<<<<<<< HEAD
    found = sorted(networks(trials, bound), key=lambda network: (network.macs, network.trial))
=======
    size = SIZES[minimise]
    found = sorted(networks(trials, bound), key=lambda network: (network.row[size], network.trial))
>>>>>>> main
    rows = []
    for slack in SLACKS:
        kept = [network for network in found if network.belief.mean >= bound + slack]
        sure = [n for n in kept if n.is_replicated and n.belief.probability(bound + slack) >= SURE]
        rows += [_row(slack, bound, "mean", kept), _row(slack, bound, "sure", sure)]
    return typed(rows, COLUMNS)


<<<<<<< HEAD
def networks(trials: pd.DataFrame, bound: float | None) -> list[Network]:
    """Return every network that was trained to the end: the base network, and those of the search.

    A study without a bound has none to expect the accuracy at, and its mean accuracy stands in.
    """
    done = trials[(trials["state"] == "completed") & trials["val_accuracy"].notna() & trials["macs"].notna()]
    again = done[done["purpose"] == "confirmation"]
    by_trial = again.groupby("of_trial_number")["val_accuracy"]
    groups = {int(str(number)): list(accuracies) for number, accuracies in by_trial}
    baseline = done[done["purpose"] == "baseline"]
    if len(baseline):
        groups[int(baseline["number"].iloc[0])] = list(baseline["val_accuracy"])
    expected = float(done["val_accuracy"].mean()) if bound is None and len(done) else bound or 0.0
    noise = pooled(groups.values(), expected, _validation_images(done))
    first = pd.concat([baseline.head(1), done[done["purpose"] == "search"]])
    return [_network(row, groups, noise) for row in first.to_dict("records")]


def _network(row: dict[Any, Any], groups: dict[int, list[float]], noise: Noise) -> Network:
    number = int(row["number"])
    trained = groups.get(number)
    belief = believe(trained or [row["val_accuracy"]], noise)
    return Network(number, int(row["macs"]), belief, trained is not None)


def _validation_images(trials: pd.DataFrame) -> int:
    """Return how many images judged a training; the fewest there can be where the record does not say."""
    configs = [config for config in trials["config"] if config]
    return max(1, int(configs[0]["subset"]["validation"])) if configs else 1


def _row(slack: float, bound: float, evidence: str, networks: Sequence[Network]) -> dict[str, Any]:
=======
def _row(slack: float, bound: float, evidence: str, found: Sequence[Network]) -> dict[str, Any]:
>>>>>>> main
    asked = {"slack": slack, "bound": bound + slack, "evidence": evidence}
    if not found:
        return asked
    best = found[0]
    probability = best.belief.probability(bound + slack) if best.is_replicated else None
    return asked | best.columns() | {"probability": probability}

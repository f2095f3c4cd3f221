"""The networks of a study: the size of each, and the posterior of its true accuracy.

The accuracy of a retrained network is estimated from its repeats. The training that selected it was
probably a lucky one (the winner's curse), so it counts only if there is no other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from results.analysis.difference import BASE, Difference, Trainings, compare, read_difference
from results.analysis.posterior import Posterior, VerdictSettings, believe, noisier, spread
from results.metrics import METRICS, limits_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Network:
    trial: int
    row: Mapping[Any, Any]  # its trial's
    belief: Posterior
    is_replicated: bool  # whether the estimate is from repeats, which selected nothing
    difference: Difference | None = None  # from the base network, if the study compares with that
    lead: float | None = None  # the mean difference from it then, also of one that was trained once

    def probability(self, bound: float, tolerance: float = 0.0) -> float | None:
        """Return the probability that it is as accurate as it must be; None if it was not trained again.

        bound: the required accuracy; tolerance: the accuracy that it may lack against the base network, if it
            is compared with that
        """
        if not self.is_replicated:
            return None
        if self.lead is not None and self.row["purpose"] == "baseline":
            return float(tolerance >= 0)  # it is as accurate as itself
        return self.difference.probability(tolerance) if self.difference else self.belief.probability(bound)

    def columns(self) -> dict[str, Any]:
        """Return its columns in a table, its trial's among them."""
        low, high = self.belief.interval()
        known = {"trial": self.trial, "mean_accuracy": self.belief.mean, "trainings": self.belief.trainings}
        return {**self.row, **known, "accuracy_low": low, "accuracy_high": high}


def eligible(trials: pd.DataFrame, study: Mapping[str, Any]) -> pd.DataFrame:
    """Return the trials without those of the search that are too large, as only their training told.

    A metric that the study asks is over its limit, or not below the base network's, or was not measured.
    """
    limits = limits_of(study["question"])
    for metric in METRICS.values():
        if metric.known == "before" or metric.name not in (study["minimise"], *limits):
            continue
        amounts = trials[metric.column]
        is_eligible = amounts <= limits.get(metric.name, math.inf)  # of a missing one False
        base = amounts[(trials["purpose"] == "baseline") & (trials["replicate"] == 0)].dropna()
        if metric.name == study["minimise"] and len(base):
            is_eligible &= amounts < base.iloc[0]
        trials = trials[(trials["purpose"] != "search") | is_eligible]
    return trials


def networks(trials: pd.DataFrame, accuracy: float, settings: VerdictSettings) -> list[Network]:
    """Return every network that was trained to the end: the base network, and those of the search.

    A failed repeat counts as an accuracy of 0.

    Args:
        trials: the rows of `queries.trials` of one study.
        accuracy: a fraction, near which the accuracies of interest are.
        settings: of the study.
    """
    import pandas as pd  # half a second to import, which the start of a search does not wait for

    trials = trials.assign(accuracy=sought_values(trials))
    done = trials[(trials["state"] == "completed") & trials["accuracy"].notna() & trials["macs"].notna()]
    baseline = done[done["purpose"] == "baseline"]
    ended = trials[(trials["purpose"] == "confirmation") & trials["state"].isin(("completed", "failed"))]
    of_trial = ended.assign(accuracy=ended["accuracy"].fillna(0.0)).groupby("of_trial_number")
    groups = {int(str(number)): list(accuracies) for number, accuracies in of_trial["accuracy"]}
    if len(baseline):
        groups[int(baseline["number"].iloc[0])] = list(baseline["accuracy"])
    within = spread([one for one in group if one > 0] for group in groups.values())
    images, paired = settings.images or _validation_images(done), _group_by_replicate(done)
    first = pd.concat([baseline.head(1), done[done["purpose"] == "search"]])
    found = []
    for row in first.to_dict("records"):
        trained = groups.get(int(row["number"]))
        accuracies = trained or [row["accuracy"]]
        number, near = int(row["number"]), noisier(accuracy, fmean(accuracies))
        belief = believe(accuracies, within.noise(near, images), settings.overlap)
        difference, lead = None, None
        if settings.compares_with_base and BASE in paired:
            lead = belief.mean - fmean(paired[BASE].values())
            if settings.by_model and row["difference"] is not None and not math.isnan(row["difference"]):
                difference = read_difference(row)
                lead = difference.mean
            elif len(paired.get(number, ())) == belief.trainings:
                difference = compare(paired, number, BASE, images, near, settings.overlap)
                lead = difference.mean
        found.append(Network(number, row, belief, trained is not None, difference, lead))
    return found


def _group_by_replicate(done: pd.DataFrame) -> Trainings:
    """Return the accuracies by replicate of the base network, and of each network that was trained again."""
    repeats = done[done["purpose"].isin(("baseline", "confirmation"))]
    found: dict[int, dict[int, float]] = {}
    for row in repeats[["of_trial_number", "replicate", "accuracy"]].fillna(BASE).to_dict("records"):
        of, replicate = int(row["of_trial_number"]), int(row["replicate"])
        found.setdefault(of, {})[replicate] = float(row["accuracy"])
    return found


def sought_values(trials: pd.DataFrame) -> pd.Series[float]:
    """Return the accuracy of each trial, or the score that its study seeks in its place."""
    return trials["score"].fillna(trials["val_accuracy"])


def build_frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Return rows as a DataFrame whose whole numbers may be missing."""
    import pandas as pd

    whole = ("trial", "macs", "parameters", "trainings")
    texts = ("evidence", "status")
    types = {name: "Int64" if name in whole else "float64" for name in columns if name not in texts}
    return pd.DataFrame(rows, columns=columns).astype(types)


def size_columns(minimise: str | None) -> list[str]:
    """Return the columns of a table of networks: what is known before training, and what is minimised."""
    shown = (metric for metric in METRICS.values() if metric.known == "before" or metric.name == minimise)
    return [metric.column for metric in shown]


def _validation_images(trials: pd.DataFrame) -> int:
    """Return the number of validation images of a training; 1 if it is not recorded."""
    configs = [config for config in trials["config"] if config]
    return max(1, int(configs[0]["subset"]["validation"])) if configs else 1

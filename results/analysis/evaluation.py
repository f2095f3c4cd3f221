"""The ranking of an evaluation: means and standard deviations over runs, and paired differences.

Run r of every pair trains on the same images with the same seed. So differences from the first pair are
taken run by run, which removes the effect of the images. Failed runs are counted but left out of all means;
`n` is the number of runs in a mean.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from results.analysis.posterior import binomial_variance, quantile
from results.db.tables import RUN_BY_RUN
from results.packages import pandas as pd

PAIR = ("model", "recipe")
METRICS = ("test_accuracy", "test_accuracy_1000", "val_accuracy")


def rank_pairs(trials: pd.DataFrame) -> pd.DataFrame:
    """Return one row per pair of model and recipe, the best mean first, from the rows of `queries.trials`.

    Columns: rank, model, recipe, macs, parameters, n (runs completed), failed, open (not ended yet); for each
    of the metrics its `_mean` and `_std` (sample standard deviation; NaN for one run), fractions in [0, 1];
    train_seconds_mean; difference_mean, difference_std and difference_n, of the ranking metric less that of
    the study's first pair over the runs that both completed (all missing for the first pair itself).
    Ranked by the test accuracy on all images, or by the validation accuracy if no test image was read.
    """
    runs = trials[trials["purpose"].isin(RUN_BY_RUN)].sort_values("number")
    runs = runs.assign(**{name: [point[name] for point in runs["point"]] for name in PAIR})
    completed, metric = runs[runs["state"] == "completed"], ranking_metric(runs)
    pairs = runs.groupby(list(PAIR), sort=False)
    found = pairs[["macs", "parameters"]].first()
    found["n"] = completed.groupby(list(PAIR)).size()
    found["failed"] = pairs["state"].agg(lambda states: (states == "failed").sum())
    found["open"] = pairs["state"].agg(lambda states: (states == "running").sum())
    measured = completed.groupby(list(PAIR))[[*METRICS, "train_seconds"]].agg(["mean", "std"])
    measured.columns = ["_".join(column) for column in measured.columns]
    # one row per run and one column per pair, whose first is what the others are compared with
    by_run = completed.pivot(index="replicate", columns=list(PAIR), values=metric).reindex(
        columns=found.index
    )
    differences = by_run.sub(by_run[found.index[0]], axis=0) if len(found) else by_run
    differences = differences.iloc[:, 1:].agg(["mean", "std", "count"]).T
    differences.columns = list(_DIFFERENCE)
    found = found.join(measured).join(differences).reset_index()
    found["n"] = found["n"].fillna(0)
    found = found.sort_values(f"{metric}_mean", ascending=False, na_position="last", kind="stable")
    found.insert(0, "rank", range(1, len(found) + 1))
    return found.reset_index(drop=True)[COLUMNS].astype({name: _dtype(name) for name in COLUMNS})


_WHOLE = ("rank", "macs", "parameters", "n", "failed", "open", "difference_n")
_DIFFERENCE = ("difference_mean", "difference_std", "difference_n")
COLUMNS = [
    *("rank", *PAIR, "macs", "parameters", "n", "failed", "open"),
    *(f"{metric}_{what}" for metric in METRICS for what in ("mean", "std")),
    *("train_seconds_mean", *_DIFFERENCE),
]


def ranking_metric(trials: pd.DataFrame) -> str:
    """Return the name of the metric that pairs are ranked by."""
    return "test_accuracy" if trials["test_accuracy"].notna().any() else "val_accuracy"


def _dtype(name: str) -> str:
    if name in _WHOLE:
        return "Int64"
    return "object" if name in PAIR else "float64"


def mean_interval(accuracies: Sequence[float], images: int, level: float = 0.95) -> tuple[float, float]:
    """Return an interval of the mean accuracy on other images and with other seeds, as fractions.

    accuracies: of runs that were all measured on the same `images`
    The variance is that of the mean over runs, plus the binomial one of the images, which more runs do not
    reduce. Student's t has the degrees of freedom of that sum (Welch 1947, Satterthwaite 1946). Of one run
    the spread over seeds is unknown, and the interval is that of its images alone.
    """
    mean, runs = statistics.fmean(accuracies), len(accuracies)
    of_images = binomial_variance(mean, images)
    of_runs = statistics.variance(accuracies) / runs if runs > 1 else 0.0
    total = of_images + of_runs
    freedom = (runs - 1) * (total / of_runs) ** 2 if of_runs else math.inf
    reach = math.sqrt(total) * quantile(freedom, (1 + level) / 2)
    return mean - reach, mean + reach

"""The ranking of an evaluation: means and standard deviations over runs, and paired differences.

Run r of every pair trains on the same images with the same seed. So differences from the first pair are
taken run by run, which removes the effect of the images. Failed runs are counted but left out of all means;
`n` is the number of runs in a mean.
"""

from __future__ import annotations

from typing import Any

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
    runs = trials[trials["purpose"] == "evaluation"].sort_values("number")
    named = runs.assign(**{name: [point[name] for point in runs["point"]] for name in PAIR})
    metric = ranking_metric(named)
    pairs = [(name, group) for name, group in named.groupby(list(PAIR), sort=False)]
    rows = [
        {**dict(zip(PAIR, name, strict=True)), **_summary(group), **_difference(group, pairs[0][1], metric)}
        for name, group in pairs
    ]
    found = pd.DataFrame(rows, columns=COLUMNS[1:])
    found = found.sort_values(f"{metric}_mean", ascending=False, na_position="last", kind="stable")
    found.insert(0, "rank", range(1, len(found) + 1))
    return found.reset_index(drop=True).astype({name: _dtype(name) for name in COLUMNS})


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


def _summary(group: pd.DataFrame) -> dict[str, Any]:
    completed = group[group["state"] == "completed"]
    means = {f"{metric}_mean": completed[metric].mean() for metric in METRICS}
    return {
        "macs": group["macs"].iloc[0],
        "parameters": group["parameters"].iloc[0],
        "n": len(completed),
        "failed": int((group["state"] == "failed").sum()),
        "open": int((group["state"] == "running").sum()),
        **means,
        **{f"{metric}_std": completed[metric].std() for metric in METRICS},
        "train_seconds_mean": completed["train_seconds"].mean(),
    }


def _difference(group: pd.DataFrame, first: pd.DataFrame, metric: str) -> dict[str, Any]:
    """Return the mean difference from the first pair; nothing for that pair itself."""
    if group is first:
        return dict.fromkeys(_DIFFERENCE)
    differences = (_by_run(group, metric) - _by_run(first, metric)).dropna()
    return dict(zip(_DIFFERENCE, (differences.mean(), differences.std(), len(differences)), strict=True))


def _by_run(group: pd.DataFrame, metric: str) -> pd.Series[float]:
    completed = group[group["state"] == "completed"]
    return completed.set_index("replicate")[metric]


def _dtype(name: str) -> str:
    if name in _WHOLE:
        return "Int64"
    return "object" if name in PAIR else "float64"

"""Tables and short words for people, of the DataFrames of `results.queries`.

On a terminal a table fits its width: only names and choices fold, numbers stay whole. In a pipe it is
plain, and as wide as it needs to be.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from rich.table import Table

from results.analysis import forecast
from results.format import changes, half, millions, moment, number, percent, settings

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Row], str]]


def studies_table(frame: pd.DataFrame) -> Table:
    """A row a study."""
    return table_of(
        frame,
        {
            "study": lambda row: row["name"],
            "kind": lambda row: row["kind"],
            "state": lambda row: row["state"],
            "trainings": lambda row: f"{row['spent']:.4g}/{row['budget_trials']}",
            "slot h": lambda row: number(row["slot_seconds"] / 3600, 2),
            "left": time_left,
            "best MACs": lambda row: millions(row["best_macs"]),
            "best acc": lambda row: percent(row["best_mean_accuracy"]),
            "updated": lambda row: moment(row["updated_at"]),
        },
    )


def time_left(study: Row) -> str:
    """How long a study of `queries.studies` goes on, while it runs."""
    least, likely = study["least_seconds_left"], study["likely_seconds_left"]
    if least is None or pd.isna(least):
        return "-"
    return str(forecast.Forecast(least, None if likely is None or pd.isna(likely) else likely))


def trials_table(frame: pd.DataFrame, study: Row) -> Table:
    """A row a trial of the study, with those of the searched values that differ between its trials.

    Of a recipe or an architecture it has what is other than in the study's first point.
    An evaluation's trials have their model, recipe and run instead. `study`: its row of `queries.studies`.
    """
    varied = [name for name in (*_SCALE, *_HYPERPARAMETERS) if frame[name].nunique() > 1]
    pair: Columns = {
        "model": lambda row: row["point"]["model"],
        "recipe": lambda row: row["point"]["recipe"],
        "run": lambda row: str(row["replicate"]),
        "test acc": lambda row: percent(row["test_accuracy"]),
    }
    searched: Columns = {_SHORT.get(name, name): plain(name) for name in varied}
    starts = [point for point in frame["point"] if _has_own(point)]
    if starts:
        searched = {**searched, "change": lambda row: changes(row["point"], starts[0])}
    return table_of(
        frame,
        {
            "trial": lambda row: str(row["number"]),
            "outcome": lambda row: outcome(row, study["best_trial"], study["min_accuracy"]),
            **(pair if study["kind"] == "evaluation" else searched),
            **(sizes(frame) if study["minimise"] or study["kind"] == "nas" else {}),
            "val acc": lambda row: percent(row["val_accuracy"]),
            "train s": lambda row: number(row["train_seconds"], 1),
        },
    )


def sizes(frame: pd.DataFrame) -> Columns:
    """The columns of a network's sizes; latency where any was measured."""
    known: Columns = {
        "MACs": lambda row: millions(row["macs"]),
        "params": lambda row: millions(row["parameters"]),
    }
    if frame["latency_ms"].isna().all():
        return known
    return {**known, "ms": lambda row: number(row["latency_ms"], 3)}


def _has_own(point: Any) -> bool:
    """Whether a point settles what has no column."""
    return isinstance(point, Mapping) and bool(set(point) - {*_SCALE, *_HYPERPARAMETERS, "model", "recipe"})


_SCALE = ("depth", "width", "resolution")
_HYPERPARAMETERS = ("optimizer", "learning_rate", "weight_decay", "batch_size")
_SHORT = {"resolution": "res", "learning_rate": "lr", "weight_decay": "decay", "batch_size": "batch"}


def outcome(trial: Row, best: int | None = None, min_accuracy: float | None = None) -> str:
    """What came of a trial, in a word or two. `best` is the number of the study's best trial."""
    if trial["state"] == "duplicate" and not pd.isna(trial["of_trial_number"]):
        return f"same as {trial['of_trial_number']}"
    if trial["state"] == "screened" and not pd.isna(trial["of_trial_number"]):
        return f"screened by {trial['of_trial_number']}"
    if trial["state"] == "pruned":
        return f"pruned at {percent(trial['stop_progress'], 0)}"
    if trial["state"] != "completed":
        return f"{trial['state']}: {trial['reason']}" if trial["reason"] else str(trial["state"])
    if trial["number"] == best:
        return "best"
    if trial["purpose"] not in ("search", "evaluation"):
        return str(trial["purpose"])
    if trial["verdict"]:
        return str(trial["verdict"])
    if min_accuracy is None or trial["val_accuracy"] is None:
        return "completed"
    return "feasible" if trial["val_accuracy"] >= min_accuracy else "below bound"


def best_table(frame: pd.DataFrame) -> Table:
    """A row a study's best trial."""
    return table_of(
        frame,
        {
            "study": lambda row: row["study"],
            "trial": lambda row: str(row["trial"]),
            **sizes(frame),
            "val acc": lambda row: percent(row["mean_accuracy"]),
            "n": lambda row: str(row["trainings"]),
            "status": lambda row: row["verdict"] or "provisional",
            "choice": choice,
        },
    )


def choice(trial: Row) -> str:
    """What a trial's network and training were given: `senet18, width 0.7, lr 0.01, sam 0.1`."""
    scaled = [name for name in _SCALE if not pd.isna(trial[name]) and trial[name] != 1]
    given = [*scaled, *(name for name in _HYPERPARAMETERS if not pd.isna(trial[name]))]
    named = [f"{_SHORT.get(name, name)} {plain(name)(trial)}" for name in given]
    others = settings({"architecture": None, "ingredients": None, **trial["config"]})
    return ", ".join([trial["model"] or "-", *named, *([] if others == "-" else [others])])


def models_table(frame: pd.DataFrame) -> Table:
    """A row a saved network."""
    told = {"settings": settings} if frame[["architecture", "ingredients"]].notna().any(axis=None) else {}
    return table_of(
        frame,
        {
            "model": lambda row: row["name"],
            "network": lambda row: row["network"],
            **{_SHORT.get(name, name): plain(name) for name in _SCALE},
            **told,
            **sizes(frame),
            "val acc": lambda row: percent(row["val_accuracy"]),
            "+-": lambda row: percent(half(row)),
            "n": plain("trainings"),
            "status": lambda row: row["status"],
            "keeps bound": lambda row: percent(row["probability"], 1),
            "study": lambda row: row["study"],
        },
    )


def plain(name: str) -> Callable[[Row], str]:
    def said(row: Row) -> str:
        value = row[name]
        if pd.isna(value):
            return "-"
        return f"{value:.4g}" if isinstance(value, int | float) else str(value)

    return said


def table_of(frame: pd.DataFrame, columns: Columns) -> Table:
    """A table of the frame's rows: the columns' names, and what each says of a row."""
    records = frame.astype(object).to_dict("records")
    named = [{str(name): value for name, value in record.items()} for record in records]
    rows = [[said(record) for said in columns.values()] for record in named]
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    for position, name in enumerate(columns):
        whole = (
            None if name in _FOLDING else max(len(cell) for cell in (name, *(row[position] for row in rows)))
        )
        table.add_column(
            name, justify="left" if name in _TEXTS else "right", overflow="fold", min_width=whole
        )
    for row in rows:
        table.add_row(*row)
    return table


_TEXTS = {"study", "kind", "state", "outcome", "optimizer", "choice", "model", "network", "status", "recipe"}
_TEXTS |= {"change", "settings"}
_FOLDING = {"study", "choice", "model", "network", "recipe", "change", "settings"}


def front_table(frame: pd.DataFrame) -> Table:
    """A row a network, the smallest first."""
    return table_of(
        frame,
        {
            "trial": plain("trial"),
            **sizes(frame),
            "val acc": lambda row: percent(row["mean_accuracy"]),
            "+-": lambda row: percent(half(row)),
            "n": plain("trainings"),
            "probability": lambda row: percent(row["probability"], 1),
            "status": plain("status"),
        },
    )


def slack_table(frame: pd.DataFrame) -> Table:
    """Two rows a bound: the cheapest network whose mean keeps it, and the cheapest that surely does."""
    return table_of(
        frame,
        {
            "slack": lambda row: f"{100 * row['slack']:+.2f}",
            "bound": lambda row: percent(row["bound"]),
            "by": lambda row: row["evidence"],
            "trial": plain("trial"),
            **sizes(frame),
            "val acc": lambda row: percent(row["mean_accuracy"]),
            "+-": lambda row: percent(half(row)),
            "n": plain("trainings"),
            "probability": lambda row: percent(row["probability"], 1),
        },
    )


def evaluation_table(frame: pd.DataFrame) -> Table:
    """A row a pair of model and recipe, the best first. Differences are in points, taken run by run."""
    shown: Columns = {
        "#": lambda row: str(row["rank"]),
        "model": lambda row: row["model"],
        "recipe": lambda row: row["recipe"],
        "MACs": lambda row: millions(row["macs"]),
        "params": lambda row: millions(row["parameters"]),
        "n": lambda row: str(row["n"]),
        "failed": lambda row: str(row["failed"] or "-"),
        "open": lambda row: str(row["open"] or "-"),
        "test acc": _spread("test_accuracy"),
        "on 1,000": _spread("test_accuracy_1000"),
        "val acc": _spread("val_accuracy"),
        "train s": lambda row: number(row["train_seconds_mean"], 1),
        "difference": _difference,
    }
    idle = [name for name, column in _IDLE.items() if not frame[column].fillna(0).any()]
    return table_of(frame, {name: said for name, said in shown.items() if name not in idle})


_IDLE = {  # columns that are left out where they have nothing to say, and what says it
    "failed": "failed",
    "open": "open",
    "test acc": "test_accuracy_mean",
    "on 1,000": "test_accuracy_1000_mean",
    "val acc": "val_accuracy_mean",
    "difference": "difference_n",
}


def _spread(metric: str) -> Callable[[Row], str]:
    """88.12 ± 0.40%: the mean and the sample standard deviation over runs."""

    def said(row: Row) -> str:
        mean, std = row[f"{metric}_mean"], row[f"{metric}_std"]
        if pd.isna(mean):
            return "-"
        return percent(mean) if pd.isna(std) else f"{100 * mean:.2f} ± {percent(std)}"

    return said


def _difference(row: Row) -> str:
    """+0.31 ± 0.20 (8): mean and standard deviation in points, and the runs that both completed."""
    if pd.isna(row["difference_n"]):
        return "from this"
    if pd.isna(row["difference_mean"]):
        return "-"
    spread = "" if pd.isna(row["difference_std"]) else f" ± {100 * row['difference_std']:.2f}"
    return f"{100 * row['difference_mean']:+.2f}{spread} ({row['difference_n']})"

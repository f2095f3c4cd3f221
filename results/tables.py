"""Tables for people, made from the DataFrames of `results.queries`.

On a terminal a table fits the width: names and choices fold, numbers stay whole. In a pipe it is plain
text, as wide as it needs to be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from rich.table import Table

from results.analysis import forecast
from results.analysis.networks import eligible
from results.db.tables import RUN_BY_RUN
from results.format import (
    BELOW,
    MET_ONCE,
    TOO_LARGE,
    changes,
    interval,
    metric_text,
    millions,
    moment,
    number,
    percent,
    plain_rows,
    settings,
    shown_point,
    size_text,
    value_text,
)
from results.metrics import METRICS, Metric, limits_of
from results.packages import pandas as pd
from results.scores import ACCURACY, Score, row_score, score_of, sought_score, sought_value

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Row], str]]


def studies_table(rows: list[dict[str, Any]]) -> Table:
    """Return a table with one row per study: those of `queries.study_rows`."""
    return table_of(
        rows,
        {
            "study": lambda row: row["name"],
            "kind": lambda row: row["kind"],
            "state": lambda row: row["state"],
            "trainings": lambda row: f"{row['spent']:.4g}/{row['budget_trials']}",
            "device-hours": lambda row: number(row["slot_seconds"] / 3600, 2),
            "left": time_left,
            **_saving_column(rows),
            "best MACs": lambda row: millions(row["best_macs"]),
            _head(rows, "best acc", "best score"): lambda row: sought_score(row["question"]).text(
                row["best_mean_accuracy"]
            ),
            **_metric_column(rows),
            "updated": lambda row: moment(row["updated_at"]),
        },
    )


def _saving_column(rows: list[dict[str, Any]]) -> Columns:
    """Return the column of what ten more trainings are expected to save; none if no running study has it."""

    def saving(row: Row) -> float | None:
        return row["expected_saving"] if row["state"] == "running" else None

    known = any(saving(row) is not None for row in rows)
    return {"10 more save": lambda row: percent(saving(row), 1)} if known else {}


def time_left(study: Row) -> str:
    """Return how much longer a running study of `queries.studies` will take."""
    least, likely = study["least_seconds_left"], study["likely_seconds_left"]
    return "-" if least is None else str(forecast.Forecast(least, likely))


def trials_table(frame: pd.DataFrame, study: Row) -> Table:
    """Return a table with one row per trial. It shows those searched values that differ between trials.

    Of a recipe or an architecture it shows what differs from the study's first candidate. The trials of an
    evaluation have their model, recipe and run instead. `study`: its row of `queries.studies`.
    """
    varied = [name for name in (*_SCALE, *_HYPERPARAMETERS) if frame[name].nunique() > 1]
    pair: Columns = {
        "model": lambda row: row["point"]["model"],
        "recipe": lambda row: row["point"]["recipe"],
        "run": lambda row: str(row["replicate"]),
        "test acc": lambda row: percent(row["test_accuracy"]),
    }
    searched: Columns = {_SHORT.get(name, name): plain(name) for name in varied}
    asked = METRICS.keys() & {study["minimise"], *limits_of(study["question"])}
    sought, said = sought_score(study["question"]), outcomes(frame, study)
    is_sized = asked & {study["minimise"]} or study["kind"] == "nas"
    is_sized = is_sized or any(METRICS[name].known == "after" for name in asked)
    starts = (row for row in plain_rows(frame) if _has_own(row["point"]))
    if first := next(map(_candidate, starts), None):
        searched = {**searched, "change": lambda row: changes(_candidate(row), first)}
    return table_of(
        frame,
        {
            "trial": lambda row: str(row["number"]),
            "outcome": lambda row: said[row["number"]],
            **(pair if study["kind"] in RUN_BY_RUN else searched),
            **(sizes(frame, asked) if is_sized else {}),
            **score_columns(sought),
            "train s": lambda row: number(row["train_seconds"], 1),
        },
    )


def score_columns(sought: Score) -> Columns:
    """Return the columns of what trainings reached; where any number is sought, there is no accuracy."""
    accuracy = {} if sought.is_number else {ACCURACY.head: lambda row: percent(row["val_accuracy"])}
    return accuracy | ({} if sought == ACCURACY else {sought.head: lambda row: sought.text(row["score"])})


def sizes(frame: pd.DataFrame, asked: Collection[str] = METRICS) -> Columns:
    """Return the columns of a network's metrics: counts, and of the others those with any amount.

    `asked`: the metrics to show of those that every training tells, whether or not a study asks them
    """
    return {
        metric.head: partial(_metric, metric)
        for metric in METRICS.values()
        if metric.column in frame
        and (metric.known == "before" or metric.name in asked)
        and (metric.is_count or frame[metric.column].notna().any())
        and (frame.empty or frame[metric.column].fillna(0).any())  # a script tells none
    }


def _metric_column(frame: pd.DataFrame | list[dict[str, Any]]) -> Columns:
    """Return the column that names the scores which stand for accuracies; none if all are accuracies."""
    if all(row["metric"] == ACCURACY.name for row in plain_rows(frame)):
        return {}
    return {"metric": lambda row: score_of(row["metric"]).noun}


def _head(frame: pd.DataFrame | list[dict[str, Any]], of_shares: str, of_any: str) -> str:
    """Return the name of the column of scores, some of which may be any number."""
    return of_shares if all(row["is_share"] for row in plain_rows(frame)) else of_any


def _metric(metric: Metric, row: Row) -> str:
    return metric_text(metric, row[metric.column] or None)


def _candidate(row: Row) -> dict[str, Any]:
    return shown_point(row["point"], row["config"])


def _has_own(point: Any) -> bool:
    """Whether a candidate has values without a column of their own."""
    return isinstance(point, Mapping) and bool(set(point) - {*_SCALE, *_HYPERPARAMETERS, "model", "recipe"})


_SCALE = ("depth", "width", "resolution")
_HYPERPARAMETERS = ("optimizer", "learning_rate", "weight_decay", "batch_size")
_SHORT = {"resolution": "res", "learning_rate": "lr", "weight_decay": "decay", "batch_size": "batch"}


def outcomes(frame: pd.DataFrame, study: Row) -> dict[int, str]:
    """Return the outcome of each trial of a study in a few words, by number."""
    sought, known = sought_score(study["question"]), set(eligible(frame, study)["number"])
    return {
        row["number"]: sought.reword(_outcome(row, study, row["number"] in known))
        for row in plain_rows(frame)
    }


def _outcome(trial: Row, study: Row, is_eligible: bool) -> str:
    if trial["state"] != "completed":
        return _not_completed(trial)
    if trial["number"] == study["best_trial"]:
        return "best"
    if trial["purpose"] == "confirmation":
        return "repeat" if trial["of_trial_number"] is None else f"repeat of {trial['of_trial_number']}"
    if trial["purpose"] not in ("search", *RUN_BY_RUN):
        return str(trial["purpose"])
    if trial["verdict"] or not is_eligible:
        return str(trial["verdict"] or TOO_LARGE)
    reached, required = sought_value(trial), study["min_accuracy"]
    if required is None or reached is None:
        return "completed"
    return MET_ONCE if reached >= required else BELOW


def _not_completed(trial: Row) -> str:
    of = trial["of_trial_number"]
    if trial["state"] == "duplicate" and of is not None:
        return f"same as {of}"
    if trial["state"] == "screened" and any(excess > 0 for excess in trial["constraints"] or ()):
        return "skipped (too large)"
    if trial["state"] == "screened" and trial["reason"]:
        return f"skipped: {trial['reason']} not measured"
    if trial["state"] == "screened":
        return f"skipped: not smaller than {'the base' if of is None else f'trial {of}'}"
    if trial["state"] == "pruned":
        return f"stopped early at {percent(trial['stop_progress'], 0)}"
    return f"{trial['state']}: {trial['reason']}" if trial["reason"] else str(trial["state"])


def best_table(frame: pd.DataFrame) -> Table:
    """Return a table with the best trial of each study."""
    return table_of(
        frame,
        {
            "study": lambda row: row["study"],
            "trial": lambda row: str(row["trial"]),
            **sizes(frame, set(frame["minimise"])),
            _head(frame, "val acc", "score"): lambda row: row_score(row).text(row["mean_accuracy"]),
            **_metric_column(frame),
            "n": lambda row: str(row["trainings"]),
            "status": lambda row: row["verdict"] or row["status"] or "provisional",
            "choice": choice,
        },
    )


def choice(trial: Row) -> str:
    """Return the settings of a trial's network and training: `senet18, width 0.7, lr 0.01, sam 0.1`."""
    scaled = [name for name in _SCALE if trial[name] is not None and trial[name] != 1]
    given = [*scaled, *(name for name in _HYPERPARAMETERS if trial[name] is not None)]
    named = [f"{_SHORT.get(name, name)} {plain(name)(trial)}" for name in given]
    own = {k: v for k, v in trial["config"]["hyperparameters"].items() if k not in _HYPERPARAMETERS}
    others = settings({"architecture": None, "ingredients": None, **trial["config"]})
    more = [text for text in (changes(own, None), others) if text != "-"]
    return ", ".join([trial["model"] or "-", *named, *more])


def models_table(frame: pd.DataFrame) -> Table:
    """Return a table with one row per saved network. The interval is of its test accuracy, if known."""

    def tested(row: Row) -> str:
        return percent(row["test_accuracy"])

    told = {"settings": settings} if frame[["architecture", "ingredients"]].notna().any(axis=None) else {}
    return table_of(
        frame,
        {
            "model": lambda row: row["name"],
            "network": lambda row: row["network"],
            **{_SHORT.get(name, name): plain(name) for name in _SCALE},
            **told,
            **sizes(frame),
            _head(frame, "val acc", "score"): lambda row: row_score(row).text(row["val_accuracy"]),
            **({"test acc": tested} if frame["test_accuracy"].notna().any() else {}),
            **_metric_column(frame),
            "95% interval": lambda row: interval(row, row_score(row)),
            "n": plain("trainings"),
            "status": lambda row: row["status"],
            "probability": lambda row: percent(row["probability"], 1),
            "weights": lambda row: size_text(row["weights_bytes"]),
            "study": lambda row: row["study"],
        },
    )


def plain(name: str) -> Callable[[Row], str]:
    """Return what reads this column of a row as text."""
    return lambda row: value_text(row[name])


def table_of(frame: pd.DataFrame | list[dict[str, Any]], columns: Columns) -> Table:
    """Return a table of the frame's rows. `columns`: each column's name, and its text for a row."""
    rows = [[said(row) for said in columns.values()] for row in plain_rows(frame)]
    return grid(None, tuple(columns), rows, _TEXTS)


def grid(
    caption: str | None, heads: Sequence[str], rows: Sequence[Sequence[str]], texts: Collection[str]
) -> Table:
    """Return a table of texts. `texts`: the columns that are aligned left."""
    table = Table(title=caption, box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    for position, name in enumerate(heads):
        whole = max(len(cell) for cell in (name, *(row[position] for row in rows)))
        is_text = name in texts
        table.add_column(
            name,
            justify="left" if is_text else "right",
            overflow="fold",
            min_width=None if name in _FOLDING else whole,
        )
    for row in rows:
        table.add_row(*row)
    return table


_TEXTS = {"study", "kind", "state", "outcome", "optimizer", "choice", "model", "network", "status", "recipe"}
_TEXTS |= {"change", "settings", "metric"}
_FOLDING = {"study", "outcome", "choice", "model", "network", "recipe", "change", "settings"}


def front_table(frame: pd.DataFrame, sought: Score) -> Table:
    """Return a table with one row per network of the Pareto front, the smallest first."""
    estimate = _estimate(sought)
    return table_of(frame, {"trial": plain("trial"), **sizes(frame), **estimate, "status": plain("status")})


def slack_table(frame: pd.DataFrame, sought: Score, level: float = 0.95) -> Table:
    """Return a table with two rows per required accuracy.

    The first has the smallest network whose mean reaches it, the second the smallest that reaches it at the
    confidence `level`.
    """
    evidence = {"mean": "estimate", "sure": f"at {100 * level:g}% confidence"}
    return table_of(
        frame,
        {
            "trade-off": lambda row: f"{100 * row['slack']:+.2f}",
            "required": lambda row: percent(row["bound"]),
            "evidence": lambda row: evidence[row["evidence"]],
            "trial": plain("trial"),
            **sizes(frame),
            **_estimate(sought),
        },
    )


def _estimate(sought: Score) -> Columns:
    """Return the columns of what is known of a network's accuracy, or other sought score."""
    return {
        sought.head: lambda row: percent(row["mean_accuracy"]),
        "95% interval": interval,
        "n": plain("trainings"),
        "probability": lambda row: percent(row["probability"], 1),
    }


def evaluation_table(frame: pd.DataFrame) -> Table:
    """Return a table with one row per pair of model and recipe, the best first.

    Differences are in percentage points, taken run by run.
    """
    shown: Columns = {
        "#": lambda row: str(row["rank"]),
        "model": lambda row: row["model"],
        "recipe": lambda row: row["recipe"],
        **sizes(frame),
        "n": lambda row: str(row["n"]),
        "failed": lambda row: str(row["failed"] or "-"),
        "open": lambda row: str(row["open"] or "-"),
        "test acc": _spread("test_accuracy"),
        "on 1,000": _spread("test_accuracy_1000"),
        "val acc": _spread("val_accuracy"),
        "train s": lambda row: number(row["train_seconds_mean"], 1),
        "difference": _difference,
    }
    rows = plain_rows(frame)
    empty = {name for name in _OPTIONAL if all(shown[name](row) in ("-", _REFERENCE) for row in rows)}
    return table_of(frame, {name: said for name, said in shown.items() if name not in empty})


_OPTIONAL = ("failed", "open", "test acc", "on 1,000", "val acc", "difference")  # left out if they are empty
_REFERENCE = "reference"


def _spread(metric: str) -> Callable[[Row], str]:
    """Return the text of a metric's mean and sample standard deviation over runs: 88.12% (sd 0.40)."""

    def said(row: Row) -> str:
        mean, std = row[f"{metric}_mean"], row[f"{metric}_std"]
        if mean is None:
            return "-"
        return percent(mean) if std is None else f"{percent(mean)} (sd {100 * std:.2f})"

    return said


def _difference(row: Row) -> str:
    """Return the mean difference over the runs that both completed, in points: +0.31 (sd 0.20, n 8)."""
    if row["difference_n"] is None:
        return _REFERENCE
    if row["difference_mean"] is None:
        return "-"
    spread = "" if row["difference_std"] is None else f"sd {100 * row['difference_std']:.2f}, "
    return f"{100 * row['difference_mean']:+.2f} ({spread}n {row['difference_n']})"

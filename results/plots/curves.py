"""Learning curves over the budget: the fraction of it that is spent, or seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from results.errors import missing_trial
from results.format import plain_rows
from results.plots._look import (
    COLOURS,
    DASHES,
    LOOKS,
    SYMBOLS,
    at_bound,
    empty,
    finish_figure,
    hover_text,
    is_wide,
    log_if_wide,
    marker,
    sample,
)
from results.study_record import OUTCOMES, Row, StudyRecord

MOST = 60  # curves that can still be distinguished
Against = Literal["progress", "seconds"]
Measured = Literal["score", "train_loss", "val_loss", "learning_rate"]
_TITLES: dict[Measured, str] = {
    "score": "Learning curves",
    "train_loss": "Training loss",
    "val_loss": "Validation loss",
    "learning_rate": "Learning rate",
}
_COLUMNS = {"progress": "progress", "seconds": "elapsed_seconds"}
_AXES = {"progress": "budget spent (%)", "seconds": "seconds of training"}
_ALWAYS = ("confirmed", "undecided", "rejected", "baseline")


def learning_curves(
    study: StudyRecord,
    against: Against = "progress",
    dark: bool = False,
    of: Measured = "score",
    trials: Sequence[int] = (),
) -> go.Figure:
    """Plot what trials reached over their budget.

    of: the validation score that is sought, a loss, or the learning rate
    trials: the trials to show, each in a colour of its own. Without them at most MOST are shown, coloured by
        outcome: confirmed and rejected trials and the baseline first, and of the others an even sample
    Raises NotOnRecord for a number that no trial of the study has.
    """
    title = _TITLES[of]
    column, value = _COLUMNS[against], study.sought.column if of == "score" else of
    measured = study.curves[study.curves[column].notna() & study.curves[value].notna()]
    is_share = of == "score" and not study.sought.is_number
    measured = measured.assign(shown=measured[value] * (100 if is_share else 1))
    is_log = not is_share and is_wide(measured["shown"])
    if of == "score":
        is_log = is_log and bool((measured["shown"] > 0).all())
    elif is_log:
        measured = measured[measured["shown"] > 0]  # such as a rate at the end of its schedule
    numbers = [int(number) for number in measured["trial"].unique()]
    shown = _named(study, trials, numbers) if trials else chosen([study.by_number[n] for n in numbers])
    if not shown:
        return empty(title, f"there are no measurements {'of these trials' if trials else 'yet'}", dark)
    curves = _curves(measured[measured["trial"].isin([row["number"] for row in shown])], column)
    figure = go.Figure()
    if of == "score":
        at_bound(figure, study, None)
    for name, rows, style in _traces(shown, bool(trials)):
        _add_curves(figure, name, [(row, curves[row["number"]]) for row in rows], style, against, is_share)
    named = f"{'validation ' if is_share else ''}{study.sought.axis}" if of == "score" else title.lower()
    figure.update_xaxes(title=_AXES[against], rangemode="tozero").update_yaxes(title=named)
    if is_log:
        log_if_wide(figure, "yaxis", [row["shown"] for curve in curves.values() for _, row in curve])
    left_out = len(shown) < len(trials or numbers)
    note = f"{len(shown)} of {len(trials or numbers):,} curves" if left_out else ""
    return finish_figure(figure, title, dark, note)


def _named(study: StudyRecord, trials: Sequence[int], numbers: Sequence[int]) -> list[Row]:
    """Return the rows of these trials that have measurements. Raise NotOnRecord for one that there is not."""
    for number in trials:
        if number not in study.by_number:
            raise missing_trial(study.name, number, max(study.by_number, default=0))
    return [study.by_number[number] for number in dict.fromkeys(trials) if number in numbers]


def _traces(shown: Sequence[Row], apart: bool) -> Iterator[tuple[str, list[Row], dict[str, Any]]]:
    """Yield the name, the trials and the look of each trace. apart: a trace of each trial, not outcome"""
    if apart:
        for index, row in enumerate(shown):
            line = {"color": COLOURS[index % len(COLOURS)], "dash": DASHES[index % len(DASHES)], "width": 2}
            mark = {"color": line["color"], "symbol": SYMBOLS[index % len(SYMBOLS)], "size": 6}
            yield f"trial {row['number']}: {row['label']}", [row], {"line": line, "marker": mark}
        return
    for outcome in OUTCOMES:
        matters = outcome in _ALWAYS
        line = {"color": LOOKS[outcome].colour, "width": 2.5 if matters else 1.2}
        mark = marker(outcome, size=7 if matters else 4)
        if rows := [row for row in shown if row["outcome"] == outcome]:
            yield rows[0]["label"], rows, {"line": line, "marker": mark, "opacity": 1 if matters else 0.85}


def chosen(rows: Sequence[Row], most: int = MOST) -> list[Row]:
    """Return the rows whose curves are shown."""
    first = sample([row for row in rows if row["outcome"] in _ALWAYS], most // 2)
    others = [row for row in rows if row["outcome"] not in _ALWAYS]
    return [*first, *sample(others, most - len(first))]


def _curves(measured: pd.DataFrame, column: str) -> dict[int, list[tuple[float, Row]]]:
    """Return each trial's measurements with their position on the axis, by trial."""
    curves: dict[int, list[tuple[float, Row]]] = {}
    for row in plain_rows(measured):
        curves.setdefault(row["trial"], []).append((row[column], row))
    return curves


def _add_curves(
    figure: go.Figure,
    name: str,
    curves: Sequence[tuple[Row, list[tuple[float, Row]]]],
    style: Mapping[str, Any],
    against: Against,
    is_share: bool,
) -> None:
    """Add curves as one trace, with gaps between them."""
    x: list[float | None] = []
    y: list[float | None] = []
    words: list[str | None] = []
    scale = 100 if against == "progress" else 1
    for trial, curve in curves:
        x += [*(scale * place for place, _ in curve), None]
        y += [*(row["shown"] for _, row in curve), None]
        words += [*(hover_text(trial, _measured(row, is_share)) for _, row in curve), None]
    figure.add_scatter(
        x=x, y=y, text=words, mode="lines+markers", name=name, connectgaps=False, showlegend=True,
        hovertemplate="%{text}<extra></extra>", **style,
    )  # fmt: skip


def _measured(row: dict[str, Any], is_share: bool) -> str:
    seconds = "" if row["elapsed_seconds"] is None else f" after {row['elapsed_seconds']:.1f} s"
    epoch = "" if row["epoch"] is None else f" (epoch {row['epoch']:.3g})"
    value = f"{row['shown']:.2f}%" if is_share else f"{row['shown']:.6g}"
    return f"measured here: {value}{seconds}{epoch}"

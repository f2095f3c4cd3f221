"""Learning curves over the budget: the fraction of it that is spent, or seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from results.format import plain_rows
from results.plots._look import (
    LOOKS,
    at_bound,
    empty,
    finish_figure,
    hover_text,
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
    study: StudyRecord, against: Against = "progress", dark: bool = False, of: Measured = "score"
) -> go.Figure:
    """Plot what trials reached over their budget, at most MOST of them.

    of: the validation score that is sought, a loss, or the learning rate
    Confirmed and rejected trials and the baseline come first; of the others an even sample is shown.
    """
    title = _TITLES[of]
    column, value = _COLUMNS[against], study.sought.column if of == "score" else of
    measured = study.curves[study.curves[column].notna() & study.curves[value].notna()]
    is_share = of == "score" and not study.sought.is_number
    measured = measured.assign(shown=measured[value] * (100 if is_share else 1))
    numbers = [int(number) for number in measured["trial"].unique()]
    if not numbers:
        return empty(title, "there are no measurements yet", dark)
    shown = chosen([study.by_number[number] for number in numbers])
    curves = _curves(measured[measured["trial"].isin([row["number"] for row in shown])], column)
    figure = go.Figure()
    if of == "score":
        at_bound(figure, study, None)
    for outcome in OUTCOMES:
        rows = [row for row in shown if row["outcome"] == outcome]
        _add_curves(figure, outcome, [(row, curves[row["number"]]) for row in rows], against, is_share)
    named = f"{'validation ' if is_share else ''}{study.sought.axis}" if of == "score" else title.lower()
    figure.update_xaxes(title=_AXES[against], rangemode="tozero").update_yaxes(title=named)
    if not is_share:
        values = [row["shown"] for curve in curves.values() for _, row in curve]
        log_if_wide(figure, "yaxis", values, is_measured=of == "score")
    note = f"{len(shown)} of {len(numbers):,} curves" if len(shown) < len(numbers) else ""
    return finish_figure(figure, title, dark, note)


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
    outcome: str,
    curves: Sequence[tuple[Row, list[tuple[float, Row]]]],
    against: Against,
    is_share: bool,
) -> None:
    """Add all curves of an outcome as one trace, with gaps between them."""
    if not curves:
        return
    x: list[float | None] = []
    y: list[float | None] = []
    words: list[str | None] = []
    scale = 100 if against == "progress" else 1
    for trial, curve in curves:
        x += [*(scale * place for place, _ in curve), None]
        y += [*(row["shown"] for _, row in curve), None]
        words += [*(hover_text(trial, _measured(row, is_share)) for _, row in curve), None]
    matters = outcome in _ALWAYS
    figure.add_scatter(
        x=x, y=y, text=words, mode="lines+markers", name=curves[0][0]["label"], connectgaps=False,
        line={"color": LOOKS[outcome].colour, "width": 2.5 if matters else 1.2},
        marker=marker(outcome, size=7 if matters else 4), opacity=1 if matters else 0.85,
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _measured(row: dict[str, Any], is_share: bool) -> str:
    seconds = "" if row["elapsed_seconds"] is None else f" after {row['elapsed_seconds']:.1f} s"
    epoch = "" if row["epoch"] is None else f" (epoch {row['epoch']:.3g})"
    value = f"{row['shown']:.2f}%" if is_share else f"{row['shown']:.6g}"
    return f"measured here: {value}{seconds}{epoch}"

"""Each searched parameter against the accuracy: where in its range the good trials are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from results.format import REPEAT
from results.plots._look import RED, empty, finish_figure, hover_text, is_wide, log_axis, marker, sample_rows
from results.study_record import OUTCOMES, Row, StudyRecord

MOST = 12  # parameters; a search over recipes has dozens
_ACROSS = 2  # panels, which can be read on a phone
_FAR_APART = 100  # the largest value over the smallest
_POINTS = 6000  # in all panels together


def slices(study: StudyRecord, dark: bool = False) -> go.Figure:
    """Plot every trial with an accuracy, in one panel per parameter that has varied."""
    title = study.sought.reword("Accuracy by parameter")
    rows = trained(study)
    varied = parameters(study, rows)
    if not varied:
        return empty(title, why_nothing(rows), dark)
    names = list(varied)[:MOST]
    across = min(_ACROSS, len(names))
    down = -(-len(names) // across)
    figure = make_subplots(
        rows=down,
        cols=across,
        shared_yaxes=True,
        horizontal_spacing=0.06,
        vertical_spacing=0.3 / down,
    )
    notes: list[str] = []
    shown = sample_rows(rows, notes, "trials", _POINTS // len(names))
    for index, name in enumerate(names):
        _add_panel(figure, study, name, varied[name], shown, index // across + 1, index % across + 1)
    if study.bound is not None:
        line = {"color": RED, "width": 1.5, "dash": "dash"}
        figure.add_hline(y=100 * study.bound, line=line, row="all", col="all")
    figure.update_yaxes(title=study.sought.axis, col=1)
    notes += [f"{len(names)} of {len(varied)} parameters"] if len(names) < len(varied) else []
    return finish_figure(figure, title, dark, ", ".join(notes), height=150 + 240 * down)


def trained(study: StudyRecord) -> list[Row]:
    """Return the candidates with an accuracy, each once."""
    return [
        row
        for row in study.rows
        if row["point"] and row["accuracy"] is not None and row["outcome"] not in (REPEAT, "duplicate")
    ]


def why_nothing(rows: Sequence[Row]) -> str:
    """Return why a plot of parameters is empty that has these candidates."""
    return "no parameter has varied yet" if rows else "no trial has an accuracy yet"


def parameters(study: StudyRecord, rows: Sequence[Row]) -> dict[str, Mapping[str, Any]]:
    """Return the variables of the study's space that have more than one value in `rows`, by name.

    For a study without a space, such as an evaluation, they are the values that its trials differ in.
    """
    space = study.study["question"].get("space")
    known = {v["name"]: v for v in space if isinstance(v, Mapping)} if isinstance(space, list) else {}
    names = list(known) or list(dict.fromkeys(name for row in rows for name in row["point"]))
    values = {name: {str(row["candidate"].get(name)) for row in rows} for name in names}
    return {name: known.get(name, {}) for name in names if len(values[name]) > 1}


def _add_panel(
    figure: go.Figure,
    study: StudyRecord,
    name: str,
    variable: Mapping[str, Any],
    rows: Sequence[Row],
    down: int,
    across: int,
) -> None:
    is_numeric = is_continuous(variable, [row["candidate"].get(name) for row in rows])
    for outcome in OUTCOMES:
        shown = [row for row in rows if row["outcome"] == outcome]
        if not shown:
            continue
        values = [row["candidate"].get(name) for row in shown]
        figure.add_scatter(
            x=values if is_numeric else [str(value) for value in values],
            y=[study.sought.plotted(row["accuracy"]) for row in shown],
            mode="markers", name=shown[0]["label"], legendgroup=outcome, showlegend=(down, across) == (1, 1),
            marker=marker(outcome),
            text=[hover_text(row) for row in shown], hovertemplate="%{text}<extra></extra>",
            row=down, col=across,
        )  # fmt: skip
    values = [row["candidate"].get(name) for row in rows]
    kind = "category" if not is_numeric else "log" if is_logarithmic(variable, values) else "linear"
    axis = log_axis(values, most=3) if kind == "log" else {"type": kind}
    figure.update_xaxes(title=name, **axis, row=down, col=across)
    if kind == "category":
        allowed = variable.get("values") or sorted({str(row["candidate"].get(name)) for row in rows})
        figure.update_xaxes(
            categoryorder="array", categoryarray=list(map(str, allowed)), row=down, col=across
        )


def is_continuous(variable: Mapping[str, Any], values: Sequence[Any]) -> bool:
    """Whether a parameter has a numeric axis. A choice, also of numbers, has one with equal steps."""
    return variable.get("kind") != "choice" and all(map(is_number, values))


def is_logarithmic(variable: Mapping[str, Any], values: Sequence[Any]) -> bool:
    """Whether a numeric parameter has a logarithmic axis: its space says so, or its values are far apart.

    They are so where each optimizer has a learning rate of its own.
    """
    return bool(variable.get("log")) or (min(values) > 0 and is_wide(values, _FAR_APART))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

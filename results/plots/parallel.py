"""All parameters of all trained candidates at once: a line for each, coloured by what it reached.

It is drawn from ordinary lines, since plotly's own kind of it needs WebGL, which not every browser has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from results.plots._look import empty, finish_figure, hover_text, sample_rows
from results.plots.slices import is_continuous, is_logarithmic, parameters, trained, why_nothing
from results.study_record import Row, StudyRecord

MOST = 8  # parameters whose axes can still be read
_LINES = 600
_FIFTHS = ("worst fifth", "second", "middle", "fourth", "best fifth")
_COLOURS = ("#b04fa3", "#7b6fd0", "#3f8fc0", "#2fa39a", "#6ccd5a")  # seen on white and on a dark page


@dataclass(frozen=True)
class _Axis:
    """An axis of unit height. marks: where its values are, and their texts"""

    name: str
    heights: Sequence[float]  # of the candidates
    marks: Mapping[float, str]


def parallel(study: StudyRecord, dark: bool = False) -> go.Figure:
    """Plot every trained candidate as a line over the parameters that varied, the accuracy last."""
    title = "All parameters at once"
    rows = trained(study)
    varied = parameters(study, rows)
    if not varied:
        return empty(title, why_nothing(rows), dark)
    names = list(varied)[:MOST]
    notes: list[str] = []
    shown = sorted(
        sample_rows(rows, notes, "trials", _LINES), key=lambda row: study.sought.merit(row["accuracy"])
    )
    axes = [_axis(name, varied[name], [row["candidate"].get(name) for row in shown]) for name in names]
    reached = [study.sought.plotted(row["accuracy"]) for row in shown]
    axes.append(_numeric(study.sought.axis, reached, reached))
    figure = go.Figure()
    edges = [len(shown) * fifth // len(_FIFTHS) for fifth in range(len(_FIFTHS) + 1)]
    for fifth, (first, end) in enumerate(pairwise(edges)):  # the best are drawn last, above the others
        if first < end:
            _add_lines(figure, axes, shown, range(first, end), fifth)
    for place, axis in enumerate(axes):
        figure.add_vline(x=place, line={"width": 1, "color": "#7f7f7f"}, layer="below")
        for height, text in axis.marks.items():
            figure.add_annotation(
                x=place, y=height, text=text, showarrow=False, xanchor="left", xshift=4, font={"size": 11}
            )
    ticks = {"tickvals": list(range(len(axes))), "ticktext": [axis.name for axis in axes]}
    figure.update_xaxes(title="parameter", range=[-0.1, len(axes) - 0.6], showgrid=False, **ticks)
    figure.update_yaxes(visible=False, range=[-0.06, 1.06])
    notes += [f"{len(names)} of {len(varied)} parameters"] if len(names) < len(varied) else []
    return finish_figure(figure, title, dark, ", ".join(notes), height=480)


def _add_lines(
    figure: go.Figure, axes: Sequence[_Axis], rows: Sequence[Row], places: Sequence[int], fifth: int
) -> None:
    """Add the lines of some candidates as one trace, with gaps between them."""
    x: list[int | None] = []
    y: list[float | None] = []
    words: list[str | None] = []
    for place in places:
        x += [*range(len(axes)), None]
        y += [*(axis.heights[place] for axis in axes), None]
        words += [*(len(axes) * [hover_text(rows[place])]), None]
    best = fifth == len(_FIFTHS) - 1
    figure.add_scatter(
        x=x, y=y, text=words, mode="lines+markers", name=_FIFTHS[fifth], connectgaps=False,
        line={"color": _COLOURS[fifth], "width": 2.5 if best else 1}, marker={"size": 4},
        opacity=1 if best else 0.75, hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _axis(name: str, variable: Mapping[str, Any], values: Sequence[Any]) -> _Axis:
    """Return the axis of a parameter: of numbers, of their logarithms, or of choices."""
    if is_continuous(variable, values):
        if is_logarithmic(variable, values):
            return _numeric(name, [math.log10(value) for value in values], values)
        return _numeric(name, values, values)
    known = list(map(str, variable.get("values") or sorted(set(map(str, values)))))
    step = 1 / max(1, len(known) - 1)
    heights = [known.index(str(value)) * step if str(value) in known else 0.0 for value in values]
    return _Axis(name, heights, {place * step: text for place, text in enumerate(known)})


def _numeric(name: str, positions: Sequence[float], values: Sequence[float]) -> _Axis:
    """Return an axis whose ends are marked. positions: of the values on it"""
    low, high = min(positions), max(positions)
    span = (high - low) or 1.0
    heights = [(position - low) / span for position in positions]
    ends = {0.0: min(values), (high - low) / span: max(values)}
    return _Axis(name, heights, {height: f"{value:.4g}" for height, value in ends.items()})

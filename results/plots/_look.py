"""The look of plots: a colour and a symbol for each outcome, two themes, axis titles, hover texts.

Colours are Okabe and Ito's, darkened if needed to be visible on white and on black. No two outcomes differ in
colour alone.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from results.format import BELOW, MET_ONCE, REPEAT, SKIPPED, STOPPED_EARLY, TOO_LARGE, stop_text, value_text
from results.metrics import METRICS
from results.study_record import StudyRecord

GREY, BLUE, GREEN, ORANGE = "#7f7f7f", "#0072b2", "#009e73", "#b07a00"
RED, PINK, TEAL, VIOLET = "#d55e00", "#cc79a7", "#0e8c8c", "#8c6bd1"
COLOURS = (BLUE, RED, GREEN, VIOLET, ORANGE, PINK, TEAL, GREY)  # of studies, and of trials that a user chose
GROUNDS = {"light": "#ffffff", "dark": "#14181d"}
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
MOST = 2000  # points drawn of each kind: more would need WebGL, which not every browser has


@dataclass(frozen=True)
class Look:
    colour: str
    symbol: str
    size: int = 8


LOOKS = {
    "confirmed": Look(BLUE, "star", 14),
    MET_ONCE: Look(GREEN, "circle"),
    "trained": Look(GREEN, "circle"),
    BELOW: Look(GREY, "circle-open"),
    TOO_LARGE: Look(RED, "circle-open"),
    "undecided": Look(ORANGE, "diamond", 10),
    "rejected": Look(PINK, "diamond-x", 10),
    "baseline": Look(VIOLET, "square", 9),
    REPEAT: Look(TEAL, "cross-thin-open", 7),
    STOPPED_EARLY: Look(ORANGE, "triangle-down", 9),
    "failed": Look(RED, "x", 9),
    SKIPPED: Look(GREY, "line-ns-open", 9),
    "duplicate": Look(VIOLET, "line-nw-open", 9),
    "running": Look(TEAL, "hourglass-open", 9),
}


def _template(ink: str, ground: str, grid: str) -> go.layout.Template:
    axis: dict[str, Any] = {"gridcolor": grid, "linecolor": grid, "zerolinecolor": grid, "ticks": "outside"}
    axis |= {"tickcolor": grid, "automargin": True, "title": {"standoff": 8}}
    layout = go.Layout(
        font={"family": "system-ui, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif", "size": 13, "color": ink},
        paper_bgcolor=ground,
        plot_bgcolor=ground,
        colorway=list(COLOURS),
        title={"x": 0, "xref": "paper", "yanchor": "top", "font": {"size": 17}},
        legend={"bgcolor": "rgba(0,0,0,0)", "tracegroupgap": 2},
        hoverlabel={"align": "left", "bgcolor": ground, "font": {"color": ink, "size": 13}},
        hovermode="closest",
        margin={"l": 64, "r": 20, "t": 76, "b": 56},
        xaxis=axis,
        yaxis=axis,
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": ink},
    )
    return go.layout.Template(layout=layout)


TEMPLATES = {
    "light": _template("#1c2530", GROUNDS["light"], "#dde2e8"),
    "dark": _template("#e6e9ee", GROUNDS["dark"], "#333c47"),
}


def finish_figure(figure: go.Figure, title: str, dark: bool, note: str = "", height: int = 460) -> go.Figure:
    """Return the figure with its theme and title, and a note of what it leaves out."""
    subtitle = {"text": note, "font": {"size": 12, "color": GREY}} if note else {}
    figure.update_layout(title={"text": title, "subtitle": subtitle}, height=height, meta={"note": note})
    return apply_theme(figure, dark)


def apply_theme(figure: go.Figure, dark: bool) -> go.Figure:
    """Return the figure in the dark or the light theme."""
    return figure.update_layout(template=TEMPLATES["dark" if dark else "light"])


def remove_title(figure: go.Figure) -> go.Figure:
    """Return the figure for a page with its own heading and theme, with the legend above."""
    legend = {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0}
    figure.update_layout(
        title=None, template="none", margin={"l": 56, "r": 12, "t": 30, "b": 48}, legend=legend
    )
    figure.layout.template = None
    return figure


def empty(title: str, why: str, dark: bool) -> go.Figure:
    """Return a figure that says why it is empty."""
    figure = go.Figure()
    figure.add_annotation(text=why, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    return finish_figure(figure, title, dark, height=240)


def marker(outcome: str, **changes: Any) -> dict[str, Any]:
    """Return the marker of an outcome."""
    look = LOOKS[outcome]
    return {"color": look.colour, "symbol": look.symbol, "size": look.size} | changes


def hover_text(row: Mapping[str, Any], *more: str) -> str:
    """Return the hover text of a trial: number, outcome, candidate, size and what is sought."""
    why = f": {row['reason']}" if row["reason"] and row["state"] != "completed" else ""
    of = f" of trial {row['of_trial_number']}" if row["of_trial_number"] else ""
    lines = [
        f"<b>trial {row['number']}</b>: {html.escape(row['label'] + why)}{of}",
        *_point(row["candidate"]),
    ]
    counts = [metric for metric in METRICS.values() if metric.is_count and row[metric.column] is not None]
    lines += [", ".join(metric.text(row[metric.column]) for metric in counts)] if counts else []
    if row["reached"] is not None:
        lines.append(f"{html.escape(row['noun'])} {row['reached']}")
    return "<br>".join([*lines, *filter(None, [stop_text(row)]), *more])


def _point(point: Mapping[str, Any], most: int = 8, across: int = 3) -> list[str]:
    """Return the values of a candidate, a few per line."""
    words = [html.escape(f"{name} {value_text(value)}") for name, value in point.items()]
    words = words[:most] + ([f"and {len(words) - most} more"] if len(words) > most else [])
    return [", ".join(words[first : first + across]) for first in range(0, len(words), across)]


def at_bound(figure: go.Figure, study: StudyRecord, baseline: float | None, **where: Any) -> None:
    """Draw the required accuracy, and the shaded tolerance up to the baseline, which is a fraction."""
    bound = study.bound
    if bound is None:
        return
    below = {"layer": "below", **where}
    if baseline is not None and baseline > bound:
        band = {"fillcolor": VIOLET, "opacity": 0.18, "line_width": 0}
        figure.add_hrect(y0=100 * bound, y1=100 * baseline, **band, **below)
        _line(figure, baseline, "baseline", {"color": VIOLET, "width": 1, "dash": "dot"}, "top left", below)
    required, line = f"required {study.sought.noun}", {"color": RED, "width": 1.5, "dash": "dash"}
    _line(figure, bound, required, line, "bottom left", below)


def _line(
    figure: go.Figure, at: float, name: str, line: Mapping[str, Any], where: str, below: Mapping[str, Any]
) -> None:
    label = {"text": f"{name} {at:.2%}", "font": {"size": 12}}
    figure.add_hline(y=100 * at, line=line, annotation=label, annotation_position=where, **below)


def is_wide(values: Iterable[float], factor: float = 20) -> bool:
    """Whether the values above 0 span so large a range that an axis of them is logarithmic."""
    known = [value for value in values if value > 0]
    return bool(known) and max(known) / min(known) > factor


def log_if_wide(figure: go.Figure, axes: str, values: Sequence[float], is_measured: bool = False) -> None:
    """Make the `xaxis` or `yaxis` of all panels logarithmic if the values span a large range.

    is_measured: whether 0 or less is a value to be seen, so that there is no such axis; else it is left out
    """
    known = [value for value in values if value > 0]
    if is_wide(known) and not (is_measured and len(known) < len(values)):
        update = figure.update_xaxes if axes == "xaxis" else figure.update_yaxes
        update(log_axis(known))


def log_axis(values: Sequence[float], most: int = 7) -> dict[str, Any]:
    """Return the layout of a logarithmic axis. most: labels, few enough to be read where it is short"""
    marks = _log_marks(min(values), max(values), most)
    return {"type": "log", "tickvals": marks, "ticktext": [f"{mark:g}" for mark in marks]}


def _log_marks(low: float, high: float, most: int) -> list[float]:
    """Return the values that are labelled."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for digits, step in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3), ((1,), 5)):
        powers = range(first - first % step, last + 1, step)
        marks = [float(f"{digit}e{power}") for power in powers for digit in digits]
        near = [mark for mark in marks if low / 2 < mark < high * 2]
        if len(near) <= most:
            break
    return near


def sample_rows(rows: Sequence[Any], notes: list[str], kind: str, most: int = MOST) -> list[Any]:
    """Return the rows to draw; of too many an even sample, of which a note is added to `notes`."""
    kept = sample(rows, most)
    if len(kept) < len(rows):
        notes.append(f"{len(kept):,} of {len(rows):,} {kind}")
    return kept


def sample(items: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many of the items, evenly spaced, with the first and the last."""
    if len(items) <= most:
        return list(items)
    step = (len(items) - 1) / (most - 1)
    return [items[round(index * step)] for index in range(most)]

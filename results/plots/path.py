"""The best result so far of a study, over its trainings or its device-hours.

Each step shows what was known at that time: a network that met the required accuracy once leads until its
repeats reject it, so the line can go back. A search for accuracy has two lines: the best single training,
which is usually lucky, and the best mean of retrained networks, which decides the study's best trial.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import plotly.graph_objects as go

from results.db.tables import RUN_BY_RUN
from results.format import TOO_LARGE
from results.plots._look import (
    BLUE,
    GREEN,
    VIOLET,
    empty,
    finish_figure,
    hover_text,
    log_if_wide,
    marker,
    sample_rows,
)
from results.study_record import Row, StudyRecord

Over = Literal["trainings", "hours"]
Kind = Literal["provisional", "confirmed"]
_SIZES = {"provisional": "met the required accuracy once", "confirmed": "confirmed"}
_ACCURACIES = {"provisional": "best single training", "confirmed": "best mean of repeats"}


@dataclass(frozen=True)
class Step:
    """The incumbents after a training. `hours` are summed over all workers."""

    trainings: float  # a training that was stopped early counts by the fraction of its budget that it used
    hours: float
    provisional: Row | None  # the best of those that met the required accuracy once and are not rejected
    confirmed: Row | None  # the best confirmed one; in a search for accuracy the best retrained one
    mean: float | None = None  # of the repeats of the latter


def steps(study: StudyRecord) -> Iterator[Step]:
    """Yield the incumbents after each training, in the order in which the trainings ended."""
    last = {
        row["of_trial_number"]: row["number"] for row in study.trained if row["purpose"] == "confirmation"
    }
    passing: dict[int, Row] = {}
    again: dict[int, list[float]] = {}  # merits of the repeats in a search for accuracy, by trial
    best = sure = None
    count = hours = 0.0
    for row in study.trained:
        count += (row["stop_progress"] or 1.0) if row["state"] == "pruned" else 1.0
        hours += row["seconds"] / 3600
        if _passes(study, row):
            passing[row["number"]] = row
            best = _better(study, best, row)
        of = study.by_number.get(row["of_trial_number"] or -1)
        if of and study.minimised is None and row["state"] in ("completed", "failed"):
            again.setdefault(of["number"], []).append(study.sought.merit(row["accuracy"]))
            sure = study.by_number[max(again, key=lambda n: (len(again[n]), fmean(again[n]), -n))]
        elif of and last.get(of["number"]) == row["number"]:  # after it the verdict is known
            if of["verdict"] == "confirmed":
                sure = _better(study, sure, of)
            elif of["verdict"] == "rejected" and passing.pop(of["number"], None) is best:
                best = min(passing.values(), key=lambda row: _order(study, row), default=None)
        mean = _mean_of(study, again[sure["number"]]) if sure and sure["number"] in again else None
        yield Step(count, hours, best, sure, mean)


def _mean_of(study: StudyRecord, merits: list[float]) -> float | None:
    """Return the mean of repeats; None of numbers if one of them failed."""
    mean = fmean(merits)
    return study.sought.merit(mean) if math.isfinite(mean) else None


def names(study: StudyRecord) -> dict[str, str]:
    """Return the label of each of a step's incumbents."""
    return {
        kind: study.sought.reword(name) for kind, name in (_SIZES if study.minimised else _ACCURACIES).items()
    }


def value(study: StudyRecord, row: Row) -> float:
    """Return the value of the study's objective: the size, or the accuracy in percent, or a number."""
    return float(study.size(row) or 0 if study.minimised else study.sought.plotted(row["accuracy"]))


def step_height(study: StudyRecord, step: Step, kind: Kind) -> float | None:
    """Return the height of a step; None if it has no incumbent yet."""
    row = step.provisional if kind == "provisional" else step.confirmed
    if kind == "confirmed" and step.mean is not None:
        return study.sought.plotted(step.mean)
    return None if row is None else value(study, row)


def axis_title(study: StudyRecord) -> str:
    if study.minimised:
        return study.metric.axis
    unit = "" if study.sought.is_number else " (%)"
    return f"{study.sought.noun} of one training, or mean of several{unit}"


def span(study: StudyRecord, over: Over, hours: float) -> tuple[float, str]:
    """Return the factor for readable numbers, and the axis title."""
    if over == "trainings":
        return 1, "trainings spent"
    return (1, "device-hours") if hours >= 2 else (60, "device-minutes")


def incumbent(study: StudyRecord, over: Over = "trainings", dark: bool = False) -> go.Figure:
    """Plot the best so far over trainings, or over device-hours, with every training of the search."""
    title = f"Best so far over {over if over == 'trainings' else 'device-hours'}"
    walked = list(steps(study))
    if not walked:
        return empty(title, "no training has ended yet", dark)
    if study.has_two_aims:
        return empty(
            title,
            "the study has two objectives, so its result is a Pareto front and not one best network",
            dark,
        )
    figure = go.Figure()
    scale, axis = span(study, over, walked[-1].hours)
    notes: list[str] = []
    _add_trained(figure, study, walked, over, scale, notes)
    kinds: tuple[Kind, ...] = ("provisional", "confirmed")
    for kind in kinds:
        if any(getattr(step, kind) for step in walked):
            add_path(figure, study, walked, over, scale, kind, _line(kind), names(study)[kind])
    if not any(len(trace.x) for trace in figure.data):
        return empty(title, _why_empty(study), dark)
    if study.minimised and study.base and study.size(study.base):
        figure.add_scatter(
            x=[0, scale * getattr(walked[-1], over)],
            y=[study.size(study.base)] * 2,
            mode="lines",
            name="base network",
            line={"color": VIOLET, "width": 1.5, "dash": "dot"},
            hovertemplate=f"{hover_text(study.base)}<extra></extra>",
        )
    figure.update_xaxes(title=axis, rangemode="tozero").update_yaxes(title=axis_title(study))
    if study.minimised:
        log_if_wide(figure, "yaxis", [study.size(row) or 0 for row in study.trained])
    elif study.sought.is_number:
        log_if_wide(figure, "yaxis", [y for trace in figure.data for y in trace.y], is_measured=True)
    return finish_figure(figure, title, dark, ", ".join(notes))


def add_path(
    figure: go.Figure,
    study: StudyRecord,
    walked: list[Step],
    over: Over,
    scale: float,
    kind: Kind,
    line: dict[str, Any],
    name: str,
) -> None:
    """Draw one line, through the steps at which it changes and to its end."""
    kept = [
        (step, row, height)
        for step in walked
        if (row := getattr(step, kind)) and (height := step_height(study, step, kind)) is not None
    ]
    turns = [
        (step, row, height)
        for index, (step, row, height) in enumerate(kept)
        if index in (0, len(kept) - 1) or (row["number"], height) != _at(kept[index - 1])
    ]
    figure.add_scatter(
        x=[scale * getattr(step, over) for step, _, _ in turns],
        y=[height for _, _, height in turns],
        mode="lines+markers",
        name=name,
        line={"shape": "hv", **line},
        marker={"size": 6},
        text=[hover_text(row, *_mean(study, step, kind)) for step, row, _ in turns],
        hovertemplate="%{text}<extra></extra>",
    )


def _at(turn: tuple[Step, Row, float]) -> tuple[int, float]:
    return turn[1]["number"], turn[2]


def _mean(study: StudyRecord, step: Step, kind: Kind) -> list[str]:
    known = kind == "confirmed" and step.mean is not None
    return [f"mean of its repeats {study.sought.text(step.mean)}"] if known else []


def _why_empty(study: StudyRecord) -> str:
    if study.study["kind"] in RUN_BY_RUN:
        return f"a study of kind {study.study['kind']} is not a search"
    if study.minimised and study.bound is None:
        return f"the required {study.sought.noun} is not known yet"
    return "no training of the search has ended with an accuracy yet"


def _line(kind: Kind) -> dict[str, Any]:
    if kind == "confirmed":
        return {"color": BLUE, "width": 3}
    return {"color": GREEN, "width": 2, "dash": "dash"}


def _add_trained(
    figure: go.Figure, study: StudyRecord, walked: list[Step], over: Over, scale: float, notes: list[str]
) -> None:
    trained = [
        (step, row)
        for step, row in zip(walked, study.trained, strict=True)
        if row["purpose"] == "search" and row["accuracy"] is not None
        if study.size(row) is not None or not study.minimised
    ]
    shown = sample_rows(trained, notes, "trainings")
    marks = [marker(row["outcome"]) for _, row in shown]
    figure.add_scatter(
        x=[scale * getattr(step, over) for step, _ in shown], y=[value(study, row) for _, row in shown],
        mode="markers", name="trained", showlegend=False,
        marker={
            "color": [mark["color"] for mark in marks], "symbol": [mark["symbol"] for mark in marks],
            "size": 7 if len(shown) < 300 else 4, "opacity": 0.9,
        },
        text=[hover_text(row) for _, row in shown], hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _passes(study: StudyRecord, row: Row) -> bool:
    if row["purpose"] != "search" or row["state"] != "completed" or row["accuracy"] is None:
        return False
    if row["outcome"] == TOO_LARGE:
        return False
    if not study.minimised:
        return True
    return study.size(row) is not None and study.bound is not None and bool(row["accuracy"] >= study.bound)


def _better(study: StudyRecord, one: Row | None, other: Row) -> Row:
    return other if one is None or _order(study, other) < _order(study, one) else one


def _order(study: StudyRecord, row: Row) -> tuple[float, int]:
    """Return a sort key: the better first, and of equal ones the earlier."""
    return (value(study, row) if study.minimised else -study.sought.merit(row["accuracy"])), row["number"]

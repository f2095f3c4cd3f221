"""The best result so far of a study, over its trainings or its device-hours.

Each step shows what was known at that time: a network that met the required accuracy once leads until its
repeats reject it, so the line can go back. In a search for accuracy the line is the best single training,
which is usually lucky. Its retrained candidates are marks at the mean of their repeats, which decides the
study's best trial. Such means are no line: they are of different numbers of repeats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import plotly.graph_objects as go

from results.db.tables import RUN_BY_RUN
from results.format import TOO_LARGE, quantity
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
from results.scores import Score
from results.study_record import Row, StudyRecord

Over = Literal["trainings", "hours"]
Kind = Literal["provisional", "confirmed"]
_SIZES: dict[Kind, str] = {"provisional": "met the required accuracy once", "confirmed": "confirmed"}
_ACCURACIES: dict[Kind, str] = {"provisional": "best single training"}
MEAN = "mean of repeats"


@dataclass(frozen=True)
class Step:
    """The incumbents after a training. `hours` are summed over all workers."""

    trainings: float  # a training that was stopped early counts by the fraction of its budget that it used
    hours: float
    provisional: Row | None  # the best of those that met the required accuracy once and are not rejected
    confirmed: Row | None  # the best confirmed one; none in a search for accuracy


@dataclass(frozen=True)
class Retrained:
    """A candidate of a search for accuracy that was trained again."""

    row: Row
    step: Step  # after the last of its repeats
    mean: float  # the accuracy of its repeats, of which a failed one counts 0
    repeats: int
    interval: tuple[float, float] | None  # that holds its true accuracy with probability .95
    sought: Score

    @property
    def text(self) -> str:
        known = f" {self.sought.interval_text(*self.interval)}" if self.interval else ""
        return f"{self.sought.text(self.mean)}{known} (n {self.repeats})"


def steps(study: StudyRecord) -> Iterator[Step]:
    """Yield the incumbents after each training, in the order in which the trainings ended."""
    last = {
        row["of_trial_number"]: row["number"] for row in study.trained if row["purpose"] == "confirmation"
    }
    passing: dict[int, Row] = {}
    best = sure = None
    count = hours = 0.0
    for row in study.trained:
        count += (row["stop_progress"] or 1.0) if row["state"] == "pruned" else 1.0
        hours += row["seconds"] / 3600
        if _passes(study, row):
            passing[row["number"]] = row
            best = _better(study, best, row)
        of = study.by_number.get(row["of_trial_number"] or -1)
        if of and study.minimised and last.get(of["number"]) == row["number"]:  # its verdict is known now
            if of["verdict"] == "confirmed":
                sure = _better(study, sure, of)
            elif of["verdict"] == "rejected" and passing.pop(of["number"], None) is best:
                best = min(passing.values(), key=lambda row: _order(study, row), default=None)
        yield Step(count, hours, best, sure)


def retrained(study: StudyRecord) -> list[Retrained]:
    """Return the candidates that a search for accuracy trained again, in the order of their last repeats.

    Those of a number of which a repeat failed are left out.
    """
    sought = study.sought
    found: dict[int, list[tuple[Step, float | None]]] = {}
    for step, row in zip(steps(study), study.trained, strict=True):
        of = row["of_trial_number"]
        if study.minimised is None and of in study.by_number and row["state"] in ("completed", "failed"):
            found.setdefault(of, []).append((step, row["accuracy"]))
    known = {network.trial: network.belief.interval() for network in study.networks if network.is_replicated}
    means = []
    for number, again in found.items():
        reached = [value for _, value in again]
        if not (sought.is_number and None in reached):
            mean, interval = fmean(value or 0.0 for value in reached), known.get(number)
            row = study.by_number[number]
            means.append(Retrained(row, again[-1][0], mean, len(again), interval, sought))
    return sorted(means, key=lambda one: one.step.trainings)


def names(study: StudyRecord) -> dict[Kind, str]:
    """Return the label of each of a step's incumbents that a study can have."""
    known = _SIZES if study.minimised else _ACCURACIES
    return {kind: study.sought.reword(name) for kind, name in known.items()}


def value(study: StudyRecord, row: Row) -> float:
    """Return the value of the study's objective: the size, or the accuracy in percent, or a number."""
    return float(study.size(row) or 0 if study.minimised else study.sought.plotted(row["accuracy"]))


def axis_title(study: StudyRecord) -> str:
    return study.metric.axis if study.minimised else study.sought.axis


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
    for kind, name in names(study).items():
        if any(getattr(step, kind) for step in walked):
            add_path(figure, study, walked, over, scale, kind, _line(kind), name)
    _add_retrained(figure, study, over, scale)
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
    kept = [(step, row) for step in walked if (row := getattr(step, kind))]
    turns = [
        (step, row)
        for index, (step, row) in enumerate(kept)
        if index in (0, len(kept) - 1) or row["number"] != kept[index - 1][1]["number"]
    ]
    figure.add_scatter(
        x=[scale * getattr(step, over) for step, _ in turns],
        y=[value(study, row) for _, row in turns],
        mode="lines+markers",
        name=name,
        line={"shape": "hv", **line},
        marker={"size": 6},
        text=[hover_text(row) for _, row in turns],
        hovertemplate="%{text}<extra></extra>",
    )


def _add_retrained(figure: go.Figure, study: StudyRecord, over: Over, scale: float) -> None:
    """Draw the retrained candidates, the study's best as a star."""
    best = study.winner and study.winner["number"]
    again = retrained(study)
    for name, mark, shown in (
        (MEAN, "undecided", [one for one in again if one.row["number"] != best]),
        (f"the best by its {MEAN}", "confirmed", [one for one in again if one.row["number"] == best]),
    ):
        add_means(figure, shown, over, scale, name, marker(mark, color=BLUE))


def add_means(
    figure: go.Figure, shown: Sequence[Retrained], over: Over, scale: float, name: str, mark: dict[str, Any]
) -> None:
    """Draw retrained candidates at the mean of their repeats, where the last of these ended."""
    if not shown:
        return
    reaches = [one.sought.plotted(one.interval[1] - one.mean) if one.interval else None for one in shown]
    below = [one.sought.plotted(one.mean - one.interval[0]) if one.interval else None for one in shown]
    bars = {"array": reaches, "arrayminus": below, "color": mark["color"], "thickness": 1.5, "width": 5}
    figure.add_scatter(
        x=[scale * getattr(one.step, over) for one in shown],
        y=[one.sought.plotted(one.mean) for one in shown],
        mode="markers", name=name, marker=mark, error_y=bars,
        text=[hover_text(one.row, f"mean of {quantity(one.repeats, 'repeat')}: {one.text}") for one in shown],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


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

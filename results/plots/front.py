"""Size against accuracy: the trained networks with their intervals, and the trials without an accuracy.

Trials that have a size but no accuracy are in lanes below the plot, one lane each for skipped, stopped,
failed and running trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from results.analysis.networks import Network
from results.analysis.pareto import find_front
from results.format import BELOW, MET_ONCE, REPEAT, SKIPPED, STOPPED_EARLY, TOO_LARGE
from results.plots._look import (
    GREY,
    LOOKS,
    at_bound,
    empty,
    finish_figure,
    hover_text,
    log_if_wide,
    marker,
    sample_rows,
)
from results.study_record import Row, StudyRecord

TITLE = "Size and accuracy"
LANES = ("running", "failed", STOPPED_EARLY, SKIPPED)  # from the lowest
# over each other
_DRAWN = (BELOW, TOO_LARGE, "trained", MET_ONCE, "baseline", "rejected", "undecided", "confirmed")


def front(study: StudyRecord, dark: bool = False) -> go.Figure:
    """Plot a study. A network with repeats is drawn at the mean of its repeats, with the 95% interval.

    `results.analysis.networks` defines the intervals. The line is the Pareto front: no trained network is
    both smaller and more accurate.
    """
    placed = [row for row in study.rows if study.size(row) is not None and row["outcome"] != "duplicate"]
    lanes = [lane for lane in LANES if any(row["outcome"] == lane for row in placed)]
    title = study.sought.reword(TITLE)
    if not placed:
        return empty(title, "no network has a known size yet", dark)
    share = 0.055 * len(lanes)
    figure = make_subplots(
        rows=2 if lanes else 1, shared_xaxes=True, vertical_spacing=0.03,
        row_heights=[1 - share, share] if lanes else [1],
    )  # fmt: skip
    _add_front(figure, study)
    again = {network.trial: network for network in study.networks if network.is_replicated}
    _add_trainings(figure, study, placed, again)
    notes: list[str] = []
    by_outcome = {name: [row for row in placed if row["outcome"] == name] for name in (*_DRAWN, *lanes)}
    shown_of = {name: sample_rows(rows, notes, name) for name, rows in by_outcome.items()}
    for outcome in _DRAWN:
        _add_networks(figure, study, outcome, shown_of[outcome], again)
    for lane in lanes:
        shown, texts = shown_of[lane], [hover_text(row) for row in shown_of[lane]]
        _add(figure, study, lane, lane, shown, texts, [lane] * len(shown), line=2, showlegend=False)
    at_bound(figure, study, study.study["baseline_accuracy"], row=1, col=1)
    figure.update_yaxes(title=study.sought.axis, row=1)
    figure.update_xaxes(title=study.metric.axis, row=2 if lanes else 1)
    if lanes:
        figure.update_yaxes(row=2, categoryarray=lanes, type="category", range=[-0.6, len(lanes) - 0.4])
    log_if_wide(figure, "xaxis", [study.size(row) or 0 for row in placed])
    return finish_figure(figure, title, dark, ", ".join(notes), height=520)


def front_of(study: StudyRecord) -> list[tuple[float, Network]]:
    """Return the networks that no other beats in both size and mean accuracy, by size, each with its size."""
    sized = [(study.size(study.by_number[network.trial]), network) for network in study.networks]
    known = [(size, network) for size, network in sized if size is not None]
    return find_front(known, lambda pair: (pair[0], pair[1].belief.mean, pair[1].trial))


def _add_front(figure: go.Figure, study: StudyRecord) -> None:
    kept = front_of(study)
    figure.add_scatter(
        x=[size for size, _ in kept], y=[100 * network.belief.mean for _, network in kept], mode="lines",
        name="Pareto front", line={"color": GREY, "width": 1, "shape": "hv"}, hoverinfo="skip", row=1, col=1,
    )  # fmt: skip


def _add_trainings(
    figure: go.Figure, study: StudyRecord, placed: Sequence[Row], again: Mapping[int, Network]
) -> None:
    """Add the single trainings of retrained networks as small marks, since their mean counts."""
    shown = [
        row
        for row in placed
        if row["accuracy"] is not None and (row["number"] in again or row["outcome"] in (REPEAT, "baseline"))
    ]
    selected = {"search": ["the training that selected it"]}
    texts = [hover_text(row, *selected.get(row["purpose"], [])) for row in shown]
    _add(figure, study, REPEAT, "single trainings", shown, texts, [100 * row["accuracy"] for row in shown])


def _add_networks(
    figure: go.Figure, study: StudyRecord, outcome: str, rows: Sequence[Row], again: Mapping[int, Network]
) -> None:
    """Add networks at their mean, with the 95% interval of those with repeats."""
    drawn = [
        row
        for row in rows
        if row["accuracy"] is not None and (outcome != "baseline" or row["number"] in again)
    ]
    texts, heights, reaches = [], [], []
    for row in drawn:
        network = again.get(row["number"])
        height, reach, known = row["accuracy"], None, []
        if network:
            height = network.belief.mean
            low, high = network.belief.interval()
            reach = 100 * (high - height)
            trainings = network.belief.trainings
            interval = study.sought.interval_text(low, high)
            known = [f"mean of {trainings}: {study.sought.text(height)} {interval} (95% interval)"]
        texts.append(hover_text(row, *known))
        heights.append(100 * height)
        reaches.append(reach)
    bars = {"array": reaches, "color": LOOKS[outcome].colour, "thickness": 1.5, "width": 5}
    name = study.sought.reword(outcome)
    _add(figure, study, outcome, name, drawn, texts, heights, error_y=bars if any(reaches) else None)


def _add(
    figure: go.Figure,
    study: StudyRecord,
    outcome: str,
    name: str,
    rows: Sequence[Row],
    texts: Sequence[str],
    y: Sequence[Any],
    line: int = 1,
    **more: Any,
) -> None:
    if rows:
        figure.add_scatter(
            x=[study.size(row) for row in rows], y=y, mode="markers", name=name, marker=marker(outcome),
            text=texts, hovertemplate="%{text}<extra></extra>", row=line, col=1, **more,
        )  # fmt: skip

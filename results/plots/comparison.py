"""Several studies in one plot: their Pareto fronts, and their best results over time."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from results.plots._look import COLOURS, DASHES, SYMBOLS, empty, finish_figure, hover_text
from results.plots.front import front_of
from results.plots.path import MEAN, Over, add_means, add_path, axis_title, retrained, span, steps
from results.study_record import StudyRecord


def fronts(studies: Sequence[StudyRecord], dark: bool = False) -> go.Figure:
    """Plot the Pareto front of each study with the intervals of its networks, and its required accuracy."""
    title = "Pareto fronts compared"
    figure = go.Figure()
    for index, study in enumerate(studies):
        kept = front_of(study)
        if not kept:
            continue
        colour = COLOURS[index % len(COLOURS)]
        reach = [100 * (network.belief.interval()[1] - network.belief.mean) for _, network in kept]
        figure.add_scatter(
            x=[size for size, _ in kept],
            y=[100 * network.belief.mean for _, network in kept],
            error_y={"array": reach, "thickness": 1, "width": 4},
            mode="lines+markers",
            name=label(study),
            line={"color": colour, "shape": "hv", "dash": DASHES[index % len(DASHES)]},
            marker={"symbol": SYMBOLS[index % len(SYMBOLS)], "size": 9},
            text=[hover_text(study.by_number[network.trial]) for _, network in kept],
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
        )
        if study.bound is not None:
            figure.add_hline(y=100 * study.bound, line={"color": colour, "width": 1, "dash": "dash"})
    if not figure.data:
        return empty(title, "no network has been trained to the end yet", dark)
    axes = dict.fromkeys(study.metric.axis for study in studies)
    heights = dict.fromkeys(study.sought.noun for study in studies)
    figure.update_xaxes(title=" or ".join(axes)).update_yaxes(title=f"{' or '.join(heights)} (%)")
    return finish_figure(figure, title, dark)


def paths(studies: Sequence[StudyRecord], over: Over = "trainings", dark: bool = False) -> go.Figure:
    """Plot the best result of each study over time. Studies of one kind can be compared.

    A search for accuracy has a mark as well: the mean of its best network's repeats.
    """
    title = "Best so far compared"
    walked = [(index, study, list(steps(study))) for index, study in enumerate(studies)]
    walked = [(index, study, path) for index, study, path in walked if path]
    if not walked:
        return empty(title, "no training has ended yet", dark)
    if len({axis_title(study) for _, study, _ in walked}) > 1 or any(s.has_two_aims for s in studies):
        return empty(title, "the studies have different objectives", dark)
    figure = go.Figure()
    longest = max(path[-1].hours for _, _, path in walked)
    scale, axis = span(walked[0][1], over, longest)
    for index, study, path in walked:
        line = {"color": COLOURS[index % len(COLOURS)], "dash": DASHES[index % len(DASHES)], "width": 2.5}
        add_path(figure, study, path, over, scale, "provisional", line, label(study))
        best = [one for one in retrained(study) if one.row is study.winner]
        mark = {"color": line["color"], "symbol": SYMBOLS[index % len(SYMBOLS)], "size": 12}
        add_means(figure, best, over, scale, f"{label(study)}, {MEAN}", mark)
    if not any(len(trace.x) for trace in figure.data):
        return empty(title, "no network has met the required accuracy yet", dark)
    figure.update_xaxes(title=axis, rangemode="tozero").update_yaxes(title=axis_title(walked[0][1]))
    return finish_figure(figure, title, dark)


def label(study: StudyRecord) -> str:
    """Return the study's name for plotly, which interprets some HTML in texts."""
    return html.escape(study.name)

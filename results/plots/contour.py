"""The accuracy over two parameters, interpolated between the candidates that were trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.interpolate import griddata
from scipy.spatial import QhullError

from results.plots._look import GREY, empty, finish_figure, hover_text, log_axis, sample_rows
from results.plots.importance import importances
from results.plots.slices import is_logarithmic, is_number, parameters, trained
from results.study_record import Row, StudyRecord

FEWEST = 8  # candidates; fewer span no surface
_GRID = 60  # points of the interpolation on each axis
_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class _Axis:
    """An axis of one parameter. Positions on it are logarithms if it is logarithmic.

    known: its values; choices: of a choice of numbers, which have equal steps; empty for others
    """

    name: str
    known: Sequence[float]
    is_log: bool
    choices: Sequence[float] = ()

    def positions(self, rows: Sequence[Row]) -> _Numbers:
        found = [row["candidate"][self.name] for row in rows]
        if self.choices:
            return np.array([self.choices.index(value) for value in found], dtype=float)
        return np.array([math.log10(value) if self.is_log else value for value in found], dtype=float)

    def values(self, positions: _Numbers) -> list[float]:
        return [float(value) for value in (10.0**positions if self.is_log else positions)]

    @property
    def layout(self) -> dict[str, Any]:
        if self.choices:
            steps = {"tickvals": list(range(len(self.choices))), "ticktext": [f"{c:g}" for c in self.choices]}
            return {"title": self.name, **steps}
        return {"title": self.name, **(log_axis(self.known, most=4) if self.is_log else {"type": "linear"})}


def contour(study: StudyRecord, dark: bool = False) -> go.Figure:
    """Plot the accuracy over the two numeric parameters that matter most, or that come first in the space.

    Between candidates it is interpolated linearly, and nothing is drawn outside of them. The other parameters
    vary too, so neighbouring points may differ in more than the two.
    """
    title = study.sought.reword("Accuracy over two parameters")
    rows = trained(study)
    axes = _axes(study, rows)
    if len(axes) < 2 or len(rows) < FEWEST:
        why = f"needs {FEWEST} trained candidates that differ in two numeric parameters"
        return empty(title, why, dark)
    first, second = axes[:2]
    notes: list[str] = []
    shown = sample_rows(rows, notes, "trials")
    x, y = first.positions(shown), second.positions(shown)
    figure = go.Figure()
    across, up = np.linspace(x.min(), x.max(), _GRID), np.linspace(y.min(), y.max(), _GRID)
    reached = np.array([study.sought.plotted(row["accuracy"]) for row in shown], dtype=float)
    try:
        surface = griddata((x, y), reached, (across[None, :], up[:, None]), rescale=True)
    except QhullError:
        notes.append("no surface, since all candidates are on one line")
    else:
        known = [[None if math.isnan(value) else float(value) for value in row] for row in surface]
        figure.add_contour(
            x=first.values(across), y=second.values(up), z=known,
            colorscale="Cividis", colorbar={"title": {"text": study.sought.axis}},
            contours={"coloring": "heatmap"}, hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=first.values(x), y=second.values(y), mode="markers", showlegend=False,
        marker={"color": GREY, "size": 7, "line": {"width": 1, "color": "white"}},
        text=[hover_text(row) for row in shown], hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(first.layout).update_yaxes(second.layout)
    return finish_figure(figure, title, dark, ", ".join(notes))


def _axes(study: StudyRecord, rows: Sequence[Row]) -> list[_Axis]:
    """Return the numeric parameters with three values or more, the most important first."""
    values = {name: [row["candidate"].get(name) for row in rows] for name in parameters(study, rows)}
    numeric = [name for name, all_of_it in values.items() if all(map(is_number, all_of_it))]
    order = importances(study).get("fanova", {})
    names = [name for name in numeric if len(set(values[name])) > 2]
    varied = parameters(study, rows)
    axes = []
    for name in sorted(names, key=lambda name: -order.get(name, 0.0)):
        choices = varied[name].get("values") or ()
        is_log = not choices and is_logarithmic(varied[name], values[name])
        axes.append(_Axis(name, values[name], is_log, choices))
    return axes

"""The report's plots of a study at present, for the page to draw.

They are made one at a time, because each takes about a second of CPU for a study of thousands of trials.
The latest ones are cached, so that many pages cost no more than one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import plotly.graph_objects as go

from orchestrator.service.one_at_a_time import OneAtATime
from orchestrator.service.responses import to_json
from results import plots, study_record
from results.study_record import StudyRecord

PLOTS: dict[str, Callable[[StudyRecord], go.Figure]] = {
    "front": plots.front,
    "path-trainings": plots.incumbent,
    "path-hours": partial(plots.incumbent, over="hours"),
    "curves-progress": plots.learning_curves,
    "curves-seconds": partial(plots.learning_curves, against="seconds"),
    "slices": plots.slices,
    "importance": plots.importance,
    "timeline": plots.timeline,
}
THEMES = {name: theme.to_plotly_json() for name, theme in plots.TEMPLATES.items()}
_KEPT = 64  # plots


class PlotCache:
    """Makes and caches the plots of studies. A plot is made again when the study's `mark` has changed."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._made: OrderedDict[tuple[str, str], tuple[Hashable, bytes]] = OrderedDict()
        self._making = OneAtATime("plot")

    def draw(self, study: str, name: str, mark: Hashable) -> bytes:
        """Return JSON of a plot: `data`, `layout`, `themes`, `note`, and `nothing`: why it is empty.

        Raise StoreError, or HTTPException if the wait for other plots is too long.
        """
        with self._making.hold():
            made_at, body = self._made.get((study, name), (None, b""))
            if made_at != mark:
                figure = PLOTS[name](study_record.read_study(self._database, study))
                body = to_json(_to_dict(figure)).encode(errors="replace")
                self._made[study, name] = (mark, body)
            self._made.move_to_end((study, name))
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
            return body


def _to_dict(figure: go.Figure) -> dict[str, Any]:
    note = str((figure.layout.meta or {}).get("note", ""))
    nothing = "" if figure.data else str(figure.layout.annotations[0].text)
    drawn = plots.remove_title(figure).to_plotly_json()
    parts = {"data": drawn["data"], "layout": drawn["layout"], "themes": THEMES}
    return {**parts, "note": note, "nothing": nothing}

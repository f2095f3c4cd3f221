"""The report's plots and networks of a study at present, for the page to draw.

They are made one at a time, because each takes about a second of CPU for a study of thousands of trials.
The latest ones are cached, so that many pages cost no more than one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from orchestrator.service.files import Elsewhere, resolve_inside
from orchestrator.service.one_at_a_time import OneAtATime
from orchestrator.service.responses import to_json
from results import plots, study_record
from results.layers import count_layers
from results.model_facts import NetworkFacts, compare_with_base
from results.report import comparison, page
from results.study_record import Row, StudyRecord

PLOTS: dict[str, Callable[..., go.Figure]] = {
    "front": plots.front,
    "path-trainings": plots.incumbent,
    "path-hours": partial(plots.incumbent, over="hours"),
    "curves-progress": plots.learning_curves,
    "curves-seconds": partial(plots.learning_curves, against="seconds"),
    "curves-train_loss": partial(plots.learning_curves, of="train_loss"),
    "curves-val_loss": partial(plots.learning_curves, of="val_loss"),
    "curves-learning_rate": partial(plots.learning_curves, of="learning_rate"),
    "slices": plots.slices,
    "parallel": plots.parallel,
    "contour": plots.contour,
    "importance": plots.importance,
    "timeline": plots.timeline,
}
CURVES = tuple(name for name in PLOTS if name.startswith("curves-"))
THEMES = {name: theme.to_plotly_json() for name, theme in plots.TEMPLATES.items()}
_KEPT = 64  # plots
_ESTIMATE = ("mean", "low", "high", "trainings")
_LATENCY = ("device", "device_name", "batch", "milliseconds")  # of a network, that the page shows


class PlotCache:
    """Makes and caches the plots of studies. A plot is made again when the study's `mark` has changed."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._made: OrderedDict[tuple[str, ...], tuple[Hashable, bytes]] = OrderedDict()
        self._making = OneAtATime("plot")

    def draw(self, study: str, name: str, mark: Hashable, trials: Sequence[int] = ()) -> bytes:
        """Return JSON of a plot: `data`, `layout`, `themes`, `note`, and `nothing`: why it is empty.

        trials: whose curves are shown, of one of CURVES; all without any
        Raise StoreError, or HTTPException if the wait for other plots is too long.
        """
        draw = partial(PLOTS[name], trials=trials) if trials else PLOTS[name]
        called = " ".join((name, *map(str, trials)))
        return self._make(study, called, mark, lambda record: _to_dict(draw(record)))

    def compare(self, study: str, runs: Path, mark: Hashable) -> bytes:
        """Return JSON of the network found and of the base network, as far as there are any.

        runs: outside of which no file is looked at. Raise as `draw` does.
        """
        return self._make(
            study,
            "networks",
            mark,
            lambda record: [_describe_network(facts, runs) for facts in compare_with_base(record)],
        )

    def compare_studies(self, names: Sequence[str], mark: Hashable) -> bytes:
        """Return JSON of the results, the settings that differ, and a plot of the networks of the studies.

        Raise as `draw` does.
        """
        return self._make_of(names, "comparison", mark, _compare)

    def report(self, study: str) -> str:
        """Return the study's report as HTML, made anew: it has megabytes. Raise as `draw` does."""
        with self._making.hold():
            return page(study_record.read_study(self._database, study))[0]

    def _make(self, study: str, name: str, mark: Hashable, make: Callable[[StudyRecord], Any]) -> bytes:
        return self._make_of([study], name, mark, lambda records: make(*records))

    def _make_of(
        self, studies: Sequence[str], name: str, mark: Hashable, make: Callable[[list[StudyRecord]], Any]
    ) -> bytes:
        key = (*studies, name)
        with self._making.hold():
            made_at, body = self._made.get(key, (None, b""))
            if made_at != mark:
                made = make([study_record.read_study(self._database, study) for study in studies])
                body = to_json(made).encode(errors="replace")
                self._made[key] = (mark, body)
            self._made.move_to_end(key)
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
            return body


def _compare(records: list[StudyRecord]) -> dict[str, Any]:
    return {
        "studies": [record.name for record in records],
        "results": comparison.result_rows(records),
        "settings": comparison.setting_rows(records),
        "networks": _to_dict(plots.fronts(records)),
    }


def _to_dict(figure: go.Figure) -> dict[str, Any]:
    note = str((figure.layout.meta or {}).get("note", ""))
    nothing = "" if figure.data else str(figure.layout.annotations[0].text)
    drawn = plots.remove_title(figure).to_plotly_json()
    parts = {"data": drawn["data"], "layout": drawn["layout"], "themes": THEMES}
    return {**parts, "note": note, "nothing": nothing}


def _describe_network(facts: NetworkFacts, runs: Path) -> dict[str, Any]:
    """Return what the page shows of a network. `files`: the bytes of those that can be saved, by name."""
    row, kept = facts.row, facts.kept
    return {
        "role": facts.role,
        "trial": row["number"],
        "network": row["model"],
        "layers": count_layers(facts.folder) if _is_inside(runs, row) else None,
        **{name: row[name] for name in ("parameters", "macs", "latency_ms")},
        "latencies": [{name: one[name] for name in _LATENCY} for one in facts.latencies],
        "accuracy": facts.estimate and {name: getattr(facts.estimate, name) for name in _ESTIMATE},
        "kept": kept and kept["number"],
        "files": facts.files if kept is not None and _is_inside(runs, kept) else {},
    }


def _is_inside(runs: Path, row: Row) -> bool:
    try:
        return bool(row["folder"] and resolve_inside(runs, row["folder"]))
    except Elsewhere:
        return False

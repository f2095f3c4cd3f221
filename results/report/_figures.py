"""The report's plots in order, each with its words and the table of the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from results import plots
from results.analysis.networks import Network
from results.format import number, percent
from results.plots.path import Kind, Step, names, reached, steps
from results.plots.timeline import uses
from results.report._table import MOST, Table, table
from results.study_record import Row, StudyRecord


@dataclass(frozen=True)
class Plot:
    """A figure of the page. `name` is its file's and its element's; `words` say how to read it."""

    name: str
    heading: str
    words: str
    figure: go.Figure
    numbers: Table | None = None

    @property
    def nothing(self) -> str:
        """Why there is nothing to see; empty where there is."""
        return "" if self.figure.data else str(self.figure.layout.annotations[0].text)

    @property
    def note(self) -> str:
        """What the figure leaves out to stay readable."""
        return str((self.figure.layout.meta or {}).get("note", ""))


_FRONT = """Each mark is a network. One that was trained again stands at the mean of its replicates, with the
interval that holds its true accuracy with probability .95; the training it was picked by does not count, for
it was likely a lucky one. The shaded band is the margin between the baseline and the bound. Below the plot
are trials that have a cost and no accuracy."""
_PATH = """The best that was known as the study went on. A network that passed once leads until its replicates
reject it, so the dashed line can rise again; the solid line is what had been confirmed."""
_PATH_UP = """The best that was known as the study went on. The dashed line is the most accurate of single
trainings, which was lucky as a rule. The solid line begins where the best were trained again: it is the best
mean of those trained again most often, by which the record names the best."""
_HOURS = "The same over the time that all slots spent."
_CURVES = "Validation accuracy as a training's budget goes by."
_SECONDS = "The same by the clock of each budget."
_SLICES = "Every trained point, by the value of each parameter that varied."
_IMPORTANCE = """As Optuna's evaluators judge it from the trained points. A search looks where it hopes to
win, so these are hints."""
_TIMELINE = """Each bar is a training, with its trial's number. The time between a stop and a resume counts as
no slot's idle time."""


def of_study(study: StudyRecord) -> list[Plot]:
    """Return the plots of one study."""
    slots = study.slot_kind
    by_hours = plots.incumbent(study, over="hours")
    by_seconds = plots.learning_curves(study, against="seconds")
    mattered = plots.importance(study)
    words = _PATH if study.minimised else _PATH_UP
    return [
        Plot("front", "Size and accuracy", _FRONT, plots.front(study), _networks(study)),
        Plot("path-trainings", "Best so far over trainings", words, plots.incumbent(study), _path(study)),
        Plot("path-hours", f"Best so far over {slots}-hours", _HOURS, by_hours),
        Plot("curves-progress", "Learning curves by budget", _CURVES, plots.learning_curves(study)),
        Plot("curves-seconds", "Learning curves by seconds", _SECONDS, by_seconds),
        Plot("slices", "Accuracy by parameter", _SLICES, plots.slices(study)),
        Plot("importance", "What mattered for the accuracy", _IMPORTANCE, mattered, _importance(mattered)),
        Plot("timeline", f"{slots}s over time", _TIMELINE, plots.timeline(study), _uses(study)),
    ]


def of_both(study: StudyRecord, other: StudyRecord) -> list[Plot]:
    """Return the plots that show two studies together."""
    both = (study, other)
    bounds = "The front of each study, and its bound as a thin line."
    by_hours = plots.paths(both, over="hours")
    return [
        Plot("compared-fronts", "Fronts", bounds, plots.fronts(both)),
        Plot("compared-paths", "Best so far over trainings", "What each knew by then.", plots.paths(both)),
        Plot("compared-hours", "Best so far over hours", _HOURS, by_hours),
    ]


def _networks(study: StudyRecord) -> Table:
    """The networks trained to the end, the cheapest first."""
    known = sorted(study.networks, key=lambda one: (study.size(study.by_number[one.trial]) or 0, one.trial))
    caption = "Networks by size: mean accuracy over n trainings, and its 95% interval"
    heads = ("trial", "outcome", study.size_unit, "accuracy", "±", "n", "keeps bound")
    if len(known) > MOST:
        caption += f"; the first {MOST:,} of {len(known):,}"
    rows = [_network(study, network) for network in known[:MOST]]
    return Table(caption, heads, rows, frozenset({"outcome"}))


def _network(study: StudyRecord, network: Network) -> tuple[str, ...]:
    belief, bound = network.belief, study.bound
    chance = belief.probability(bound) if network.is_replicated and bound is not None else None
    return (
        str(network.trial),
        study.by_number[network.trial]["outcome"],
        _sized(study, study.by_number[network.trial]),
        percent(belief.mean),
        f"{100 * (belief.interval()[1] - belief.mean):.2f}",
        str(belief.trainings),
        percent(chance, 1),
    )


def _sized(study: StudyRecord, row: Row) -> str:
    return number(study.size(row), 3)


def _path(study: StudyRecord) -> Table:
    """The steps at which an incumbent changed, or the mean by which it leads."""
    kinds: tuple[Kind, ...] = ("provisional", "confirmed")
    before, rows = ("-", "-"), []
    for step in steps(study):
        known = (_leader(study, step, kinds[0]), _leader(study, step, kinds[1]))
        if known != before:
            rows.append((f"{step.trainings:,.10g}", f"{step.hours:.3f}", *known))
        before = known
    heads = ("trainings", f"{study.slot_kind}-hours", *(names(study)[kind] for kind in kinds))
    return Table("The best so far whenever it changed", heads, rows, frozenset(heads[2:]))


def _leader(study: StudyRecord, step: Step, kind: Kind) -> str:
    row = getattr(step, kind)
    if row is None:
        return "-"
    if not study.minimised:
        return f"trial {row['number']}, {reached(study, step, kind):.2f}%"
    return f"trial {row['number']}, {_sized(study, row)} {study.size_unit}, {percent(row['accuracy'])}"


def _importance(figure: go.Figure) -> Table | None:
    """The heights of the bars, the greatest first."""
    bars = [bar for bar in reversed(figure.data) if bar.type == "bar"]
    if not bars:
        return None
    heads = ("parameter", *(bar.name for bar in bars))
    rows = zip(bars[0].y, *(map(_share, bar.x) for bar in bars), strict=True)
    return Table("Importance of each parameter", heads, [*reversed(list(rows))])


def _share(value: float) -> str:
    return f"{value:.1f}%"


def _uses(study: StudyRecord) -> Table:
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "slot": lambda use: use["slot"],
        "trainings": lambda use: f"{use['trials']:,}",
        "busy s": lambda use: f"{use['busy_seconds']:,.1f}",
        "idle s": lambda use: f"{use['idle_seconds']:,.1f}",
        "idle": lambda use: percent(use["idle"], 1),
    }
    return table("Use of each slot", [{**vars(use), "idle": use.idle} for use in uses(study)], columns)

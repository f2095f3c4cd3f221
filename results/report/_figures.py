"""The report's plots in order, each with an explanation and a table of the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from rich.table import Table

from results import plots
from results.analysis.networks import Network
from results.format import number, percent
from results.plots.curves import Measured
from results.plots.front import LANES
from results.plots.path import MEAN, Kind, Step, names, retrained, steps
from results.plots.timeline import uses
from results.report._table import MOST, table
from results.study_record import Row, StudyRecord
from results.tables import grid

LOSSES: Mapping[Measured, str] = {
    "train_loss": "Training loss",
    "val_loss": "Validation loss",
    "learning_rate": "Learning rate",
}


@dataclass(frozen=True)
class Plot:
    """A figure of the page. `name` names its file and its element; `words` explain how to read it."""

    name: str
    heading: str
    words: str
    figure: go.Figure
    numbers: Table | None = None

    @property
    def nothing(self) -> str:
        """Why the figure is empty; no text if it is not."""
        return "" if self.figure.data else str(self.figure.layout.annotations[0].text)

    @property
    def note(self) -> str:
        """What the figure leaves out to stay readable."""
        return str((self.figure.layout.meta or {}).get("note", ""))


_FRONT = "Each mark is a network."
_REPEATS = """A network with repeats is drawn at their mean, with the 95% interval of its true accuracy. The
training that selected it is left out, since it was probably a lucky one (the winner's curse)."""
_BAND = "The shaded band is the tolerance, between the baseline and the required accuracy."
_LANES = "Below the plot are trials that have a size but no accuracy."
_PATH = """The best network known at each time. A network that met the required accuracy once leads until its
repeats reject it, so the dashed line can rise again."""
_PATH_CONFIRMED = "The solid line is the best confirmed network."
_PATH_UP = """The dashed line is the best single training so far. The best of many trainings is usually a
lucky one: trained again, its candidate is seldom as good (the winner's curse)."""
_PATH_RETRAINED = """A candidate that was retrained is a mark at the mean of its repeats, with the 95%
interval of its true accuracy, where the last of them ended. The star is the study's best trial."""
_HOURS = "The same over device-hours, summed over all workers."
_CURVES = "Accuracy over the budget of each training, as measured on the way."
_SECONDS = "The same over the seconds of each budget."
_SLICES = "Every trained candidate, by the value of each parameter that varied."
_PARALLEL = """Each line is a trained candidate; the axes are the parameters that varied, and the last one is
the accuracy. The colours are fifths of the candidates; click on one in the legend to hide it."""
_CONTOUR = """Between the trained candidates (dots) the accuracy is interpolated. Other parameters varied too,
so neighbouring dots may differ in more than these two."""
_IMPORTANCE = """By Optuna's evaluators, from the trained candidates. A search concentrates on promising
regions, so these are only hints."""
_TIMELINE = """Each bar is a training, with the number of its trial. Time between a stop and a resume does not
count as idle."""


def of_study(study: StudyRecord, trials: Sequence[int] = ()) -> list[Plot]:
    """Return the plots of one study. trials: whose curves are shown; all without any"""

    by_hours = plots.incumbent(study, over="hours")
    by_progress = plots.learning_curves(study, trials=trials)
    by_seconds = plots.learning_curves(study, against="seconds", trials=trials)
    mattered = plots.importance(study)
    say = study.sought.reword
    front = Plot(
        "front", say("Size and accuracy"), say(_front_words(study)), plots.front(study), _networks(study)
    )
    drawn = [
        Plot(
            "path-trainings",
            "Best so far over trainings",
            say(_path_words(study)),
            plots.incumbent(study),
            _path(study),
        ),
        Plot("path-hours", "Best so far over device-hours", _HOURS, by_hours),
        Plot("curves-progress", "Learning curves by budget", say(_CURVES), by_progress),
        Plot("curves-seconds", "Learning curves by seconds", _SECONDS, by_seconds),
        *(
            Plot(f"curves-{of}", heading, f"{heading} over the budget of each training.", figure)
            for of, heading in LOSSES.items()
            if (figure := plots.learning_curves(study, of=of, trials=trials)).data
        ),
        Plot("slices", say("Accuracy by parameter"), _SLICES, plots.slices(study)),
        Plot("parallel", "All parameters at once", say(_PARALLEL), plots.parallel(study)),
        Plot("contour", say("Accuracy over two parameters"), say(_CONTOUR), plots.contour(study)),
        Plot(
            "importance",
            say("Parameter importance for the accuracy"),
            _IMPORTANCE,
            mattered,
            _importance(mattered),
        ),
        Plot("timeline", "Workers over time", _TIMELINE, plots.timeline(study), _uses(study)),
    ]
    if study.is_script:  # which tells no sizes
        return drawn
    # where all networks have one size, how it went comes first
    return [front, *drawn] if study.minimised else [*drawn, front]


def _front_words(study: StudyRecord) -> str:
    """Return how to read the plot of sizes and accuracies, of what it shows."""
    baseline, bound = study.study["baseline_accuracy"], study.bound
    shown = {
        _REPEATS: any(network.is_replicated for network in study.networks),
        _BAND: bound is not None and baseline is not None and baseline > bound,
        _LANES: any(row["outcome"] in LANES and study.size(row) is not None for row in study.rows),
    }
    return " ".join([_FRONT, *(words for words, is_there in shown.items() if is_there)])


def _path_words(study: StudyRecord) -> str:
    if study.minimised:
        words, is_known = (_PATH, _PATH_CONFIRMED), any(step.confirmed for step in steps(study))
    else:
        words, is_known = (_PATH_UP, _PATH_RETRAINED), bool(retrained(study))
    return " ".join(words if is_known else words[:1])


def of_both(study: StudyRecord, other: StudyRecord) -> list[Plot]:
    """Return the plots that show two studies together."""
    both = (study, other)
    bounds = "The Pareto front of each study, with its required accuracy as a thin line."
    by_hours = plots.paths(both, over="hours")
    return [
        Plot("compared-fronts", "Pareto fronts", bounds, plots.fronts(both)),
        Plot(
            "compared-paths",
            "Best so far over trainings",
            "The best that each study knew at each time.",
            plots.paths(both),
        ),
        Plot("compared-hours", "Best so far over hours", _HOURS, by_hours),
    ]


def _networks(study: StudyRecord) -> Table:
    """Return the table of networks trained to the end, the smallest first."""
    known = sorted(study.networks, key=lambda one: (study.size(study.by_number[one.trial]) or 0, one.trial))
    caption = "Networks by size: mean accuracy over n trainings and its 95% interval"
    if study.bound is not None:
        caption += ", and the probability of reaching the required accuracy"
    heads: tuple[str, ...] = ("trial", "outcome", study.metric.unit, study.sought.noun, "95% interval", "n")
    heads += () if study.bound is None else ("probability",)
    caption = study.sought.reword(caption)
    if len(known) > MOST:
        caption += f"; the first {MOST:,} of {len(known):,}"
    rows = [_network(study, network) for network in known[:MOST]]
    return grid(caption, heads, rows, ("outcome",))


def _network(study: StudyRecord, network: Network) -> tuple[str, ...]:
    belief, bound = network.belief, study.bound
    chance = None if bound is None else network.probability(bound, study.settings.tolerance)
    return (
        str(network.trial),
        study.by_number[network.trial]["label"],
        _sized(study, study.by_number[network.trial]),
        study.sought.text(belief.mean),
        study.sought.interval_text(*belief.interval()),
        str(belief.trainings),
        *(() if bound is None else (percent(chance, 1),)),
    )


def _sized(study: StudyRecord, row: Row) -> str:
    return number(study.size(row), 3)


def _path(study: StudyRecord) -> Table:
    """Return the table of steps at which an incumbent changed, and of the means of retrained candidates."""
    kinds = names(study)
    known: tuple[str, ...] = ("-",) * len(kinds)
    rows = []
    for step in steps(study):
        before, known = known, tuple(_leader(study, step, kind) for kind in kinds)
        if known != before:
            rows.append((step, known))
    heads = ("trainings", "device-hours", *kinds.values())
    if again := retrained(study):
        heads += (MEAN,)
        rows = [(step, (*known, "-")) for step, known in rows]
        rows += [(one.step, ("-", f"trial {one.row['number']}, {one.text}")) for one in again]
    cells = [(f"{step.trainings:,.10g}", f"{step.hours:.3f}", *known) for step, known in rows]
    return grid("Changes of the best so far", heads, cells, heads[2:])


def _leader(study: StudyRecord, step: Step, kind: Kind) -> str:
    row = getattr(step, kind)
    if row is None:
        return "-"
    if not study.minimised:
        return f"trial {row['number']}, {row['reached']}"
    return f"trial {row['number']}, {_sized(study, row)} {study.metric.unit}, {percent(row['accuracy'])}"


def _importance(figure: go.Figure) -> Table | None:
    """Return the table of importances, the highest first."""
    bars = [bar for bar in reversed(figure.data) if bar.type == "bar"]
    if not bars:
        return None
    heads = ("parameter", *(bar.name for bar in bars))
    rows = zip(bars[0].y, *(map(_share, bar.x) for bar in bars), strict=True)
    return grid("Importance of each parameter", heads, [*reversed(list(rows))], ())


def _share(value: float) -> str:
    return f"{value:.1f}%"


def _uses(study: StudyRecord) -> Table:
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "worker": lambda use: use["slot"],
        "trainings": lambda use: f"{use['trials']:,}",
        "busy s": lambda use: f"{use['busy_seconds']:,.1f}",
        "idle s": lambda use: f"{use['idle_seconds']:,.1f}",
        "idle": lambda use: percent(use["idle"], 1),
    }
    return table("Use of each worker", [{**vars(use), "idle": use.idle} for use in uses(study)], columns)

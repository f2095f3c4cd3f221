"""Plots of a study on record, as plotly figures.

    from results import plots, recorded

    study = recorded.read("runs/results.db", "nas-senet18-cifar10")
    plots.front(study).show()

Every function works for a study with no trial, with one and with thousands; what it leaves out to stay
readable stands in `figure.layout.meta["note"]` and under the title. The surprise: colours are the same on
light and on dark ground (a contrast of at least 3 to 1 with both), so a page changes its theme by the
template alone; `dark=True` gives the other one.
"""

from results.plots._look import TEMPLATES, themed, untitled
from results.plots.comparison import fronts, paths
from results.plots.curves import learning_curves
from results.plots.front import front
from results.plots.importance import importance
from results.plots.path import incumbent
from results.plots.slices import slices
from results.plots.timeline import timeline

__all__ = [
    "TEMPLATES",
    "front",
    "fronts",
    "importance",
    "incumbent",
    "learning_curves",
    "paths",
    "slices",
    "themed",
    "timeline",
    "untitled",
]

"""Plots of a study, as plotly figures.

    from results import plots, study_record

    study = study_record.read_study("runs/results.db", "nas-senet18-cifar10")
    plots.front(study).show()

Every function works for a study with no trial, with one and with thousands. `figure.layout.meta["note"]` and
the subtitle say what is left out to stay readable. Colours have a contrast of at least 3 to 1 with both a
light and a dark background, so a page changes its theme by the template alone; `dark=True` is the dark one.
"""

from results.plots._look import TEMPLATES, apply_theme, remove_title
from results.plots.comparison import fronts, paths
from results.plots.contour import contour
from results.plots.curves import learning_curves
from results.plots.front import front
from results.plots.importance import importance
from results.plots.parallel import parallel
from results.plots.path import incumbent
from results.plots.slices import slices
from results.plots.timeline import timeline

__all__ = [
    "TEMPLATES",
    "apply_theme",
    "contour",
    "front",
    "fronts",
    "importance",
    "incumbent",
    "learning_curves",
    "parallel",
    "paths",
    "remove_title",
    "slices",
    "timeline",
]

"""Optuna's Gaussian process with expected improvement, its constraints by the probability to hold.

It computes for about a second a point with torch, which is imported in the solver's process
alone. On small grids it likes to draw what it knows, because it takes every answer for noisy.
"""

import optuna

from orchestrator.solvers import _optuna
from orchestrator.spec.problem import Evaluate, Problem

REQUIRES: tuple[str, ...] = ("optuna", "numpy", "scipy", "torch")
MOST_OBJECTIVES = 2

DRAWS = 3  # of points asked before, each as dear as a new one, until a random point is taken instead


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the opening, then about what the process finds promising, until all were asked."""
    sampler = optuna.samplers.GPSampler(seed=problem.seed)
    _optuna.search(problem, evaluate, sampler, DRAWS)

"""Optuna's Gaussian process with expected improvement, times the probability that the constraints hold.

It needs about a second a point with torch, which only the solver's process imports. On small grids it often
draws known points again, because it takes every answer for noisy.
"""

import optuna

from orchestrator.solvers import _optuna
from orchestrator.spec.problem import Evaluate, Problem

REQUIRES: tuple[str, ...] = ("optuna", "numpy", "scipy", "torch")
MOST_OBJECTIVES = 2

DRAWS = 3  # of points asked before, each as expensive as a new one, until a random point is taken instead


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the opening, then about what the process finds promising, until all were asked."""
    sampler = optuna.samplers.GPSampler(seed=problem.seed)
    _optuna.search(problem, evaluate, sampler, DRAWS)

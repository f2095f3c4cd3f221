"""Optuna's NSGA-II, a genetic algorithm for several objectives: the usual baseline for a front."""

import optuna

from orchestrator.solvers import _optuna
from orchestrator.spec.problem import Evaluate, Problem

REQUIRES: tuple[str, ...] = ("optuna", "numpy")
MOST_OBJECTIVES = 2

POPULATION = 20  # Optuna's usual 50 would be random draws for half of a hundred trainings


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the opening, then about generations of its best, until all points were asked."""
    sampler = optuna.samplers.NSGAIISampler(seed=problem.seed, population_size=POPULATION)
    _optuna.search(problem, evaluate, sampler)

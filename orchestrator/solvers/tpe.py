"""Optuna's tree-structured Parzen estimator (TPE): the usual choice, and so a baseline."""

import optuna

from orchestrator.solvers import _optuna
from orchestrator.spec.problem import Evaluate, Problem

REQUIRES: tuple[str, ...] = ("optuna", "numpy")
MOST_OBJECTIVES = 2


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the opening, then about what the estimator finds promising, until all were asked."""
    # constant_liar: the unanswered points of a batch count as bad, which spreads the batch
    sampler = optuna.samplers.TPESampler(seed=problem.seed, multivariate=True, constant_liar=True)
    _optuna.search(problem, evaluate, sampler)

"""Solvers, one a file: each proposes points by `search(problem, evaluate)` until it is done.

A solver does not handle budgets, the database or Ctrl-C. It runs in a process of its own, which
`SolverProcess` starts, asks and tells. When the search ends, that process is killed. A solver must be
deterministic: the same problem and the same answers give the same points, because a study resumes that way.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Protocol, cast

from orchestrator.solvers._process import SolverDied, SolverProcess
from orchestrator.spec.problem import Evaluate, Problem

__all__ = ["Solver", "SolverDied", "SolverProcess", "load", "most_objectives", "names"]


class Solver(Protocol):
    """The interface of a solver's module. MOST_OBJECTIVES, if it has that, is otherwise 1."""

    REQUIRES: Sequence[str]  # distributions whose versions change which points it proposes

    def search(self, problem: Problem, evaluate: Evaluate) -> None:
        """Ask about points until done: `problem.opening` first, at most `problem.batch_size` at once."""


def names() -> list[str]:
    """Return the names of all solvers, which are the modules of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def most_objectives(name: str) -> int:
    """Return how many objectives a solver can minimise at once. Raises ValueError for an unknown name."""
    return int(getattr(load(name), "MOST_OBJECTIVES", 1))


@cache  # reading the folder takes a millisecond
def load(name: str) -> Solver:
    """Return a solver's module. Raises ValueError for an unknown name."""
    if name not in names():
        raise ValueError(f"no solver is named {name!r}; choose one of {', '.join(names())}")
    return cast(Solver, importlib.import_module(f"{__name__}.{name}"))

"""Solvers, one a file: each proposes points by `search(problem, evaluate)` until it is done.

A solver knows nothing of budgets, records or Ctrl-C. It runs in a process of its own, which
`SolverProcess` starts, asks and tells; when the search has had enough, that process is killed
in the middle of its question. A solver must be deterministic: the same problem and the same
answers bring the same points, since that is how a study resumes.
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
    """What a solver's module has.

    One that can look for the front of several objectives has MOST_OBJECTIVES; without it, it takes one.
    """

    REQUIRES: Sequence[str]  # distributions whose versions change which points it proposes

    def search(self, problem: Problem, evaluate: Evaluate) -> None:
        """Ask about points until done: `problem.opening` first, at most `problem.batch_size` at once."""


def names() -> list[str]:
    """The solvers there are, which are the modules of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def most_objectives(name: str) -> int:
    """How many objectives the solver of this name can minimise at once.

    Raises:
        ValueError: there is no such solver.
    """
    return int(getattr(load(name), "MOST_OBJECTIVES", 1))


@cache  # each proposal asks, and looking into the folder takes a millisecond
def load(name: str) -> Solver:
    """The solver of this name.

    Raises:
        ValueError: there is no such solver.
    """
    if name not in names():
        raise ValueError(f"no solver is named {name!r}; choose one of {', '.join(names())}")
    return cast(Solver, importlib.import_module(f"{__name__}.{name}"))

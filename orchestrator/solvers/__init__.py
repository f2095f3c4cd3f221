"""Solvers, one a file: each proposes points by `search(problem, evaluate)` until it is done.

A solver does not handle budgets, the database or Ctrl-C. It runs in a process of its own, which
`SolverProcess` starts, asks and tells. When the search ends, that process is killed. A solver must be
deterministic: the same problem and the same answers give the same points, because a study resumes that way.
"""

import ast
import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

from orchestrator.solvers._process import SolverDied, SolverProcess
from orchestrator.spec.problem import Evaluate, Problem

__all__ = [
    "Solver",
    "SolverDied",
    "SolverProcess",
    "load",
    "most_objectives",
    "names",
    "plans_replicates",
    "requirements",
]


class Solver(Protocol):
    """The interface of a solver's module.

    It may have MOST_OBJECTIVES, which is otherwise 1, and PLANS_REPLICATES, otherwise False: whether it asks
    for replicates where `problem.goal` is given. The constants are literals: they are read from the file,
    because its imports take seconds.
    """

    REQUIRES: Sequence[str]  # distributions whose versions change which points it proposes

    def search(self, problem: Problem, evaluate: Evaluate) -> None:
        """Ask about points until done: `problem.opening` first, at most `problem.batch_size` at once."""


def names() -> list[str]:
    """Return the names of all solvers, which are the modules of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def most_objectives(name: str) -> int:
    """Return how many objectives a solver can minimise at once.

    Raises ValueError for an unknown name, and for constants that are not literals.
    """
    return int(_constants(name).get("MOST_OBJECTIVES", 1))


def plans_replicates(name: str) -> bool:
    """Return whether a solver can plan replicates itself. Raises as most_objectives."""
    return bool(_constants(name).get("PLANS_REPLICATES", False))


def requirements(name: str) -> tuple[str, ...]:
    """Return the distributions whose versions change what a solver proposes. Raises as most_objectives."""
    return tuple(_constants(name)["REQUIRES"])


def load(name: str) -> Solver:
    """Return a solver's module. Raises ValueError for an unknown name."""
    return cast(Solver, importlib.import_module(_module(name)))


def _module(name: str) -> str:
    if name not in names():
        raise ValueError(f"no solver is named {name!r}; choose one of {', '.join(names())}")
    return f"{__name__}.{name}"


@cache
def _constants(solver: str) -> dict[str, Any]:
    """Return the constants of `Solver` as a solver's file has them, without importing it."""
    found = find_spec(_module(solver))
    assert found is not None
    assert found.origin is not None
    constants = {}
    for statement in ast.parse(Path(found.origin).read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(name)], value=ast.expr() as value):
                constants[name] = value
            case ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value):
                constants[name] = value
    known = [name for name in ("REQUIRES", "MOST_OBJECTIVES", "PLANS_REPLICATES") if name in constants]
    try:
        return {name: ast.literal_eval(constants[name]) for name in known}
    except ValueError as error:
        raise ValueError(
            f"{' and '.join(known)} of the solver {solver} cannot be read from its file; "
            "write literals, such as ('numpy',) and 2"
        ) from error

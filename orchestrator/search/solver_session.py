"""Ask a solver for points, and restart its process when it dies.

NOMAD can crash or hang. After a crash a new process is asked from the start and told the known answers. A
solver that crashes twice at the same point has a defect there, so it is restarted with another seed, from
the best point found. Every restart with a new seed is an event in the database, from which a resumed study
continues.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.solvers import SolverDied, SolverProcess
from orchestrator.spec.problem import Ask, Evaluation, Problem
from search_spaces import Point

RESTART = "solver_succeeded"  # the event's kind
MAX_RESTARTS = 20
_PATIENCE = 1  # crashes at one point after which the solver is replayed with the same seed
_PATIENCE_WITH_KILLS = 10  # the same for kills from outside


class SolverFailed(RuntimeError):
    """No process of this solver gets past this point."""


class NotReproducible(RuntimeError):
    """A solver that is replayed from the start proposes other points than recorded."""


@dataclass(frozen=True)
class Incarnation:
    """One solver process and its replays, with one seed; `first` is the number of its first trial."""

    index: int
    first: int
    problem: Problem

    def to_json(self, why: str) -> dict[str, Any]:
        problem = {"seed": self.problem.seed, "start": dict(self.problem.start)}
        return {"index": self.index, "first": self.first, **problem, "why": why}

    def restart(self, first: int, start: Point) -> Incarnation:
        """Return the incarnation after a restart, which starts from the best point found.

        It keeps the hints: those already trained are duplicates, which cost nothing.
        """
        problem = replace(self.problem, seed=self.problem.seed + 1000, start=start)
        return Incarnation(self.index + 1, first, problem)


def read_incarnation(problem: Problem, first: int, restarts: list[dict[str, Any]]) -> Incarnation:
    """Return the current incarnation: that of the last recorded restart, or the first."""
    if not restarts:
        return Incarnation(0, first, problem)
    last = restarts[-1]
    start = problem.space.point(last["start"])
    return Incarnation(last["index"], last["first"], replace(problem, seed=last["seed"], start=start))


class SolverSession:
    """`ask()` and `tell()` of a solver whose process may crash.

    `start(incarnation)` starts a process, `find_best()` returns the point from which a restart starts, and
    `record(incarnation, why)` records a restart. `incarnation` is the current one.
    """

    def __init__(
        self,
        start: Callable[[Incarnation], SolverProcess],
        resumed: Incarnation,
        find_best: Callable[[], Point],
        record: Callable[[Incarnation, str], None],
    ) -> None:
        self.incarnation = resumed
        self._start_process = start
        self._find_best = find_best
        self._record = record
        self._answered: list[tuple[list[Ask], list[Evaluation]]] = []
        self._deaths_in_place = 0  # since the last new question
        self._question: list[Ask] | None = None  # those whose answers the process waits for
        self._start()

    def ask(self, next_number: int | None, pause: Callable[[], None]) -> list[Ask] | None:
        """Return what to train next, or None if the solver has finished.

        `next_number`: the trial number of the first of them, in case a restart begins here; None if they
        are recorded already, so that a restart would contradict them.
        `pause` is called several times a second while the solver computes; its exceptions pass through.
        """
        while True:
            try:
                asks = self._first_unanswered(pause)
            except SolverDied as death:
                self._process.close()
                self._deaths_in_place += 1
                patience = _PATIENCE_WITH_KILLS if death.by_stranger else _PATIENCE
                if self._deaths_in_place > patience:
                    self._restart(death, next_number)
                self._start()
            else:
                self._deaths_in_place = 0
                return asks

    def tell(self, evaluations: list[Evaluation]) -> None:
        """Answer the last points. The process gets the answers with the next `ask`."""
        assert self._question is not None
        self._answered.append((self._question, evaluations))

    def close(self) -> None:
        self._process.close()

    def _first_unanswered(self, pause: Callable[[], None]) -> list[Ask] | None:
        """Tell the process the answers it does not have yet, and return the points it proposes then."""
        while True:
            if self._question is None:
                self._question = self._process.ask(pause)
            if self._question is None or self._told == len(self._answered):
                return self._question
            asks, evaluations = self._answered[self._told]
            if asks != self._question:
                raise NotReproducible(
                    f"the solver, replayed, proposes {self._question} instead of {asks}; nothing was "
                    "changed, choose another --solver under another --study"
                )
            self._process.tell(evaluations)
            self._told += 1
            self._question = None

    def _restart(self, death: SolverDied, next_number: int | None) -> None:
        if next_number is None:
            raise SolverFailed(
                f"{death}; the results database is intact, run the same command again"
            ) from death
        if not self._answered or self.incarnation.index >= MAX_RESTARTS:
            raise SolverFailed(f"{death}; choose another --solver under another --study") from death
        self.incarnation = self.incarnation.restart(next_number, self._find_best())
        self._record(self.incarnation, str(death))
        self._answered, self._deaths_in_place = [], 0

    def _start(self) -> None:
        self._process = self._start_process(self.incarnation)
        self._told = 0  # answers that this process has been told
        self._question = None

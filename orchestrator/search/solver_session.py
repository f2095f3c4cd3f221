"""A solver's questions in order, whatever becomes of its process.

NOMAD can die or hang by itself. A death is answered by asking again from the start, from the
answers at hand; a solver that dies twice at the same question has a defect there, so a successor
with another seed starts from the best point found. Every succession is an event on record, from
which a resumed study begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.solvers import SolverDied, SolverProcess
from orchestrator.spec.problem import Evaluation, Problem
from search_spaces import Point

RESTART = "solver_succeeded"  # the event's kind
MAX_SUCCESSIONS = 20
_PATIENCE = 1  # deaths at one question that are answered by asking again
_PATIENCE_WITH_STRANGERS = 10  # the same, for kills from outside


class SolverFailed(RuntimeError):
    """No process of this solver gets any further."""


class NotReproducible(RuntimeError):
    """A solver asked from the start proposes other points than the record holds."""


@dataclass(frozen=True)
class Incarnation:
    """The rule of one solver process and its replays; `first` is the number of its first trial."""

    index: int
    first: int
    problem: Problem

    def to_json(self, why: str) -> dict[str, Any]:
        start = dict(self.problem.start)
        return {
            "index": self.index,
            "first": self.first,
            "seed": self.problem.seed,
            "start": start,
            "why": why,
        }

    def successor(self, first: int, start: Point) -> Incarnation:
        """The next reign, which begins from the best point found.

        It has the hints as well: those that were trained are duplicates, which cost nothing.
        """
        return Incarnation(
            self.index + 1, first, replace(self.problem, seed=self.problem.seed + 1000, start=start)
        )


def incarnation_on_record(problem: Problem, first: int, successions: list[dict[str, Any]]) -> Incarnation:
    """Return the reign in force: the last succession's, or the first solver's."""
    if not successions:
        return Incarnation(0, first, problem)
    last = successions[-1]
    start = problem.space.point(last["start"])
    return Incarnation(last["index"], last["first"], replace(problem, seed=last["seed"], start=start))


class SolverSession:
    """`ask()` and `tell()` of a solver that survives its own process.

    `start(problem)` starts a process, `incumbent()` gives the point a successor starts from, and
    `succeeded(reign, why)` puts a succession on record.
    """

    def __init__(
        self,
        start: Callable[[Problem], SolverProcess],
        reign: Incarnation,
        incumbent: Callable[[], Point],
        succeeded: Callable[[Incarnation, str], None],
    ) -> None:
        self.reign = reign
        self._start_process = start
        self._incumbent = incumbent
        self._succeeded = succeeded
        self._answered: list[tuple[list[Point], list[Evaluation]]] = []
        self._deaths_in_place = 0  # since the last new question
        self._question: list[Point] | None = None  # that the process waits for an answer to
        self._start()

    def ask(self, next_number: int | None, pause: Callable[[], None]) -> list[Point] | None:
        """Return the next points, or None where the solver has finished.

        `next_number` is the first of these points' trials, should a successor begin with them; None where
        they are on record already, which a successor would contradict.
        `pause` is called again and again while the solver thinks; what it raises ends the asking.
        """
        while True:
            try:
                points = self._first_unanswered(pause)
            except SolverDied as death:
                self._process.close()
                self._deaths_in_place += 1
                patience = _PATIENCE_WITH_STRANGERS if death.by_stranger else _PATIENCE
                if self._deaths_in_place > patience:
                    self._succeed(death, next_number)
                self._start()
            else:
                self._deaths_in_place = 0
                return points

    def tell(self, evaluations: list[Evaluation]) -> None:
        """Answer the last question. The process hears it with the next `ask`."""
        assert self._question is not None
        self._answered.append((self._question, evaluations))

    def close(self) -> None:
        self._process.close()

    def _first_unanswered(self, pause: Callable[[], None]) -> list[Point] | None:
        """Tell the process what it has not heard yet, and return what it asks then."""
        while True:
            if self._question is None:
                self._question = self._process.ask(pause)
            if self._question is None or self._heard == len(self._answered):
                return self._question
            points, evaluations = self._answered[self._heard]
            if points != self._question:
                raise NotReproducible(
                    f"the solver, asked again, proposes {self._question} where it proposed {points}; "
                    f"the record stays as it is, take another --solver under another --study"
                )
            self._process.tell(evaluations)
            self._heard += 1
            self._question = None

    def _succeed(self, death: SolverDied, next_number: int | None) -> None:
        if next_number is None:
            raise SolverFailed(f"{death}; the record is whole, run the same command again") from death
        if not self._answered or self.reign.index >= MAX_SUCCESSIONS:
            raise SolverFailed(f"{death}; take another --solver under another --study") from death
        self.reign = self.reign.successor(next_number, self._incumbent())
        self._succeeded(self.reign, str(death))
        self._answered, self._deaths_in_place = [], 0

    def _start(self) -> None:
        self._process = self._start_process(self.reign.problem)
        self._heard = 0  # answers that this process has been told
        self._question = None

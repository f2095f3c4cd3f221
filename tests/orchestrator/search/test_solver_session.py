import os
import signal
import sys
from pathlib import Path

import pytest

from orchestrator.search.solver_session import (
    Incarnation,
    NotReproducible,
    SolverFailed,
    SolverSession,
    read_incarnation,
)
from orchestrator.solvers import SolverProcess
from orchestrator.spec.problem import Evaluation, Problem
from search_spaces import Integer, Point, Space

MORTAL = Path(__file__).with_name("mortal_solver.py")
SPACE = Space((Integer("x", 0, 4999),))
START = SPACE.point({"x": 0})


class RecordedSession:
    """Proposals of a mortal solver, and the restarts that were recorded."""

    def __init__(
        self, lifetime: int, death: str = "signal", mortal_seeds: str = "0", kills: int = 1000
    ) -> None:
        self._kills = kills  # processes that die; those after them live on
        self.restarts: list[dict[str, object]] = []
        self.processes: list[SolverProcess] = []
        self.incumbent = START
        self._command = [sys.executable, str(MORTAL), str(lifetime), death, mortal_seeds]
        problem = Problem(SPACE, START)
        self.proposals = SolverSession(
            self._start,
            Incarnation(0, 1, problem),
            lambda: self.incumbent,
            lambda incarnation, why: self.restarts.append(incarnation.to_json(why)),
        )

    def ask(self, times: int, first: int = 1) -> list[int]:
        asked = []
        for number in range(first, first + times):
            points = self.proposals.ask(number, lambda: None)
            assert points is not None
            asked.append(int(points[0].point["x"]))
            self.incumbent = points[0].point
            self.proposals.tell([Evaluation(float(points[0].point["x"]))])
        return asked

    def _start(self, incarnation: Incarnation) -> SolverProcess:
        if len(self.processes) == self._kills:
            self._command[-3] = "1000"
        self.processes.append(SolverProcess("mortal", incarnation.problem, command=self._command))
        return self.processes[-1]


def test_a_solver_that_is_killed_is_asked_again_and_nothing_shows() -> None:
    session = RecordedSession(lifetime=100)
    assert session.ask(3) == [0, 1, 2]
    os.kill(session.processes[-1].pid, signal.SIGKILL)
    assert session.ask(3, first=4) == [3, 4, 5]
    assert session.restarts == []
    session.proposals.close()


@pytest.mark.parametrize("death", ["signal", "exit"])
def test_a_solver_that_dies_twice_at_one_question_has_a_successor_on_record(death: str) -> None:
    session = RecordedSession(lifetime=4, death=death)
    assert session.ask(6) == [0, 1, 2, 3, 1000, 1001]
    [restart] = session.restarts
    assert (restart["first"], restart["seed"], restart["start"]) == (5, 1000, {"x": 3})
    session.proposals.close()


def test_a_resumed_study_begins_with_the_last_successor() -> None:
    session = RecordedSession(lifetime=2, mortal_seeds="0,1000")
    session.ask(6)
    session.proposals.close()
    found = read_incarnation(Problem(SPACE, START), 1, [dict(event) for event in session.restarts])
    assert (found.index, found.first, found.problem.seed) == (2, 5, 2000)
    assert found.problem.start == Point({"x": 1001})


def test_a_solver_that_cannot_even_begin_is_an_error_that_says_why() -> None:
    session = RecordedSession(lifetime=0, death="exit")
    with pytest.raises(SolverFailed, match=r"as asked.*choose another --solver"):
        session.ask(1)
    session.proposals.close()


def test_a_solver_that_asks_otherwise_when_asked_again_is_found_out() -> None:
    session = RecordedSession(lifetime=100)
    session.ask(2)
    os.kill(session.processes[-1].pid, signal.SIGKILL)
    session._command[-3:] = ["100", "signal", "0"]
    session.proposals.incarnation = session.proposals.incarnation.restart(
        1, START
    )  # another seed: other points
    with pytest.raises(NotReproducible, match="replayed, proposes"):
        session.ask(1)
    session.proposals.close()


def test_a_solver_that_dies_while_it_replays_a_record_has_no_successor() -> None:
    session = RecordedSession(lifetime=2)
    session.ask(2)
    with pytest.raises(SolverFailed, match="run the same command again"):
        session.proposals.ask(None, lambda: None)
    assert session.restarts == []
    session.proposals.close()


def test_a_solver_that_is_killed_again_and_again_at_one_question_has_no_successor() -> None:
    session = RecordedSession(lifetime=2, death="kill", kills=5)
    assert session.ask(4) == [0, 1, 2, 3]
    assert len(session.processes) > 3
    assert session.restarts == []
    session.proposals.close()

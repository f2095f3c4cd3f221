"""The solver's side of `SolverProcess`: `python -P -m orchestrator.solvers NAME`.

Messages are sent through what were stdin and stdout at the start. What a solver's library prints goes to
stderr, because a library in C++ may print at any time.
"""

import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TextIO

from orchestrator.solvers import load
from orchestrator.spec.problem import Ask, Evaluation, Problem
from search_spaces import Point

PR_SET_PDEATHSIG = 1  # prctl(2)
LOOKED_UP = 100  # points at once, for which the search stops to listen for less than a second


def main(name: str) -> None:
    """Run one solver on the problem that the first message states, until it is done."""
    questions, answers = _private_pipes()
    opening = _receive(answers)
    _die_with(opening["parent"])
    problem = Problem.from_json(opening["problem"])

    def evaluate(points: Sequence[Point | Ask]) -> list[Evaluation]:
        asks = [point if isinstance(point, Ask) else Ask(point) for point in points]
        _send(questions, {"ask": [ask.to_json() for ask in asks]})
        return [Evaluation.from_json(answer) for answer in _receive(answers)["tell"]]

    def look_up(what: str, points: Sequence[Point]) -> list[Any]:
        found: list[Any] = []
        for first in range(0, len(points), LOOKED_UP):
            some = [dict(point) for point in points[first : first + LOOKED_UP]]
            _send(questions, {"look_up": what, "points": some})
            found += _receive(answers)["found"]
        return found

    look_ups: dict[str, Any] = {what: partial(look_up, what) for what in opening["look_ups"]}
    try:
        load(name).search(replace(problem, **look_ups), evaluate)
    except Exception as error:
        traceback.print_exc()
        _send(questions, {"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    _send(questions, {"done": True})


def _private_pipes() -> tuple[TextIO, TextIO]:
    """Return stdout and stdin for messages, and put stderr and an empty file in their places."""
    sys.stdout.flush()
    questions = os.fdopen(os.dup(1), "w", encoding="utf-8")
    answers = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return questions, answers


def _die_with(parent: int) -> None:
    """Have Linux kill this process when its parent dies, even while a library computes.

    On other systems it ends at its next question, when it finds the pipe closed.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)


def _send(questions: TextIO, message: dict[str, Any]) -> None:
    try:
        questions.write(json.dumps(message, allow_nan=False) + "\n")
        questions.flush()
    except BrokenPipeError:
        os._exit(1)  # the parent is gone; libraries between here and `main` swallow exceptions


def _receive(answers: TextIO) -> Any:
    line = answers.readline()
    if not line.endswith("\n"):
        os._exit(1)  # the parent is gone or has closed the search
    return json.loads(line)


if __name__ == "__main__":
    main(sys.argv[1])

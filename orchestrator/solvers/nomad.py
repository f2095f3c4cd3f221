"""NOMAD's mesh adaptive direct search (MADS), which calls us back.

NOMAD ends a search whose first point fails, crashes when a callback raises, and asks again
about points that other searches asked about. So answers are remembered here: a start that
succeeds is found before NOMAD begins, and the callback asks only about what is not yet known.
Categories are index-coded for now. docs/solver-notes.md says how the settings were chosen.
"""

import importlib
import platform
import random
import sys
from types import ModuleType
from typing import Any

from orchestrator.problem import Evaluate, Evaluation, Problem
from search_spaces import Point

REQUIRES: tuple[str, ...] = ("PyNomadBBO",)

STARTS_TRIED = 20  # random points that may fail after the start did, before the search is given up
MOST_EVALUATIONS = 20_000  # in NOMAD's count, known points included: ends a search that goes in circles

SETTINGS = (
    "DIRECTION_TYPE ORTHO 2N",  # the default polls with a model, and computes for minutes on small grids
    "QUAD_MODEL_MAX_EVAL 100",  # for the same reason; the default is 2000
    f"MAX_EVAL {MOST_EVALUATIONS}",
    "DISPLAY_DEGREE 2",  # to stderr, which is the solver's log
)


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the start, then search from it until NOMAD's mesh cannot be refined.

    Raises:
        RuntimeError: PyNomad is missing, no start succeeded, or NOMAD refused to begin.
    """
    pynomad = _pynomad()
    answers = _Answers(problem, evaluate)
    start = _start(problem, answers)
    free = [index for index, variable in enumerate(problem.space.variables) if variable.size != 1]
    if not free:
        return
    blackbox = _Blackbox(problem, start, free, answers)
    variables = [problem.space.variables[index] for index in free]
    result = pynomad.optimize(
        blackbox.evaluate_block if problem.batch_size > 1 else blackbox.evaluate_one,
        [problem.space.to_numbers(start)[index] for index in free],
        [variable.lower for variable in variables],
        [variable.upper for variable in variables],
        _settings(problem, free),
    )
    if blackbox.error is not None:
        raise blackbox.error
    if not result:
        raise RuntimeError("NOMAD refused to begin; the log above says why")


def _pynomad() -> ModuleType:
    try:
        return importlib.import_module("PyNomad")
    except ImportError as error:
        raise RuntimeError(
            f"solver nomad needs PyNomad, which cannot be imported here (Python "
            f"{platform.python_version()}, {sys.platform}, {platform.machine()}): {error}. Run `pip install "
            f"PyNomadBBO`; there is none for Linux on Arm, where the other solvers work"
        ) from error


def _start(problem: Problem, answers: "_Answers") -> Point:
    """The first point that succeeds: the problem's start, or else one drawn at random."""
    rng = random.Random(problem.seed)
    tried = [problem.start]
    answers.ask(tried)
    while not (succeeded := [point for point in tried if not answers[point].failed]):
        if len(tried) > STARTS_TRIED:
            raise RuntimeError(
                f"the start and {STARTS_TRIED} random points all failed; see why in the trials' logs, "
                f"or start from a point that is known to work"
            )
        drawn = [problem.space.sample(rng) for _ in range(problem.batch_size)]
        answers.ask(drawn)
        tried += drawn
    return succeeded[0]


def _settings(problem: Problem, free: list[int]) -> list[str]:
    kinds = " ".join("I" if problem.space.variables[index].integer else "R" for index in free)
    settings = [
        f"BB_INPUT_TYPE ({kinds})",
        f"BB_OUTPUT_TYPE OBJ{' PB' * problem.constraints}",
        f"SEED {problem.seed}",
        *SETTINGS,
    ]
    if problem.batch_size > 1:  # otherwise NOMAD wants a callback of one point
        settings += [f"BB_MAX_BLOCK_SIZE {problem.batch_size}", "MEGA_SEARCH_POLL yes"]
    return settings


class _Answers:
    """Every answer so far; asks about points that have none."""

    def __init__(self, problem: Problem, evaluate: Evaluate) -> None:
        self._batch_size = problem.batch_size
        self._evaluate = evaluate
        self._known: dict[Point, Evaluation] = {}

    def __getitem__(self, point: Point) -> Evaluation:
        return self._known[point]

    def ask(self, points: list[Point]) -> None:
        """Make the answers of all these points known."""
        new = [point for point in dict.fromkeys(points) if point not in self._known]
        for first in range(0, len(new), self._batch_size):
            batch = new[first : first + self._batch_size]
            self._known.update(zip(batch, self._evaluate(batch), strict=True))


class _Blackbox:
    """NOMAD's callback. It lets no exception out, since NOMAD crashes on one; `error` keeps it."""

    def __init__(self, problem: Problem, start: Point, free: list[int], answers: _Answers) -> None:
        self.error: Exception | None = None
        self._space = problem.space
        self._free = free
        self._numbers = list(problem.space.to_numbers(start))  # variables of one value keep these
        self._answers = answers

    def evaluate_one(self, asked: Any) -> int:
        """Answer NOMAD's point: 1 for success, 0 for failure."""
        return self._succeeded([asked])[0]

    def evaluate_block(self, block: Any) -> list[int]:
        """Answer NOMAD's block of points, as many as it has: fewer would end the process."""
        return self._succeeded([block.get_x(index) for index in range(block.size())])

    def _succeeded(self, asked: list[Any]) -> list[int]:
        if self.error is None:
            try:
                return self._answered(asked)
            except Exception as error:
                self.error = error  # raised by `search`; every later point fails, so NOMAD soon ends
        return [0] * len(asked)

    def _answered(self, asked: list[Any]) -> list[int]:
        points = [self._point(one) for one in asked]
        self._answers.ask(points)
        for one, point in zip(asked, points, strict=True):
            answer = self._answers[point]
            if not answer.failed:  # repr gives every digit of a float
                one.setBBO(" ".join(map(repr, (answer.objective, *answer.constraints))).encode())
        return [0 if self._answers[point].failed else 1 for point in points]

    def _point(self, one: Any) -> Point:
        numbers = list(self._numbers)
        for position, index in enumerate(self._free):
            numbers[index] = one.get_coord(position)
        return self._space.from_numbers(numbers)

"""NOMAD's mesh adaptive direct search (MADS), which calls us back.

NOMAD ends a search whose first point fails, crashes when a callback raises, and goes in circles
once its mesh is as fine as a grid allows. So answers are remembered here: a start that succeeds
is found before NOMAD begins, the callback asks only about what is not yet known, and a search
that asks nothing new is ended and begun again from the best point. Categories are coded by
their index for now. docs/solver-notes.md says how the settings were chosen.
"""

import importlib
import itertools
import platform
import random
import sys
from types import ModuleType
from typing import Any

from orchestrator.problem import LARGEST_SEED, Evaluate, Problem
from orchestrator.solvers._answers import Answers
from search_spaces import Point

REQUIRES: tuple[str, ...] = ("PyNomadBBO",)

STARTS_TRIED = 20  # random points that may fail after the start did, before the search is given up
BARREN_ITERATIONS = 30  # of NOMAD's iterations without a new point, after which a search is ended
SETTINGS = (
    "DIRECTION_TYPE ORTHO 2N",  # the default polls with a model, which takes minutes on some grids
    "QUAD_MODEL_MAX_EVAL 100",  # for the same reason; the default is 2000, and finds nothing better
    "MAX_EVAL 5000",  # known points included: ends a search that circles before any point was feasible
    "DISPLAY_DEGREE 2",  # to stderr, which is the solver's log
)
BLOCK_SETTINGS = ("MEGA_SEARCH_POLL yes",)  # search and poll points together, which fills the blocks


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the start, then search from the best point until a whole search asks nothing new.

    Raises:
        RuntimeError: PyNomad is missing, no start succeeded, or NOMAD refused to begin.
    """
    pynomad = _pynomad()
    answers = Answers(problem, evaluate)
    _ask_until_one_succeeds(problem, answers)
    free = [index for index, variable in enumerate(problem.space.variables) if variable.size != 1]
    for attempt in itertools.count():
        asked = len(answers)
        if free and not answers.exhausted:
            _search_once(pynomad, problem, answers, free, attempt)
        if len(answers) == asked:
            return


def _search_once(
    pynomad: ModuleType, problem: Problem, answers: Answers, free: list[int], attempt: int
) -> None:
    """One search from the best point known, over the variables that have more than one value."""
    start = answers.best()
    blackbox = _Blackbox(problem, start, free, answers)
    variables = [problem.space.variables[index] for index in free]
    is_barren = blackbox.is_barren  # NOMAD keeps no reference to it
    pynomad.setCustomMegaIterEndCallback(is_barren)
    result = pynomad.optimize(
        blackbox.evaluate_block if problem.batch_size > 1 else blackbox.evaluate_one,
        [problem.space.to_numbers(start)[index] for index in free],
        [variable.lower for variable in variables],
        [variable.upper for variable in variables],
        _settings(problem, free, (problem.seed + attempt) % (LARGEST_SEED + 1)),
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


def _ask_until_one_succeeds(problem: Problem, answers: Answers) -> None:
    """Ask about the start, and about points drawn at random if it fails."""
    rng = random.Random(problem.seed)
    answers.ask([problem.start])
    drawn = 0
    while not answers.any_succeeded:
        if drawn >= STARTS_TRIED or answers.exhausted:
            raise RuntimeError(
                f"the start and {drawn} random points all failed; see why in the trials' logs, "
                f"or start from a point that is known to work"
            )
        answers.ask([problem.space.sample(rng) for _ in range(problem.batch_size)])
        drawn += problem.batch_size


def _settings(problem: Problem, free: list[int], seed: int) -> list[str]:
    kinds = " ".join("I" if problem.space.variables[index].integer else "R" for index in free)
    settings = [
        f"BB_INPUT_TYPE ({kinds})",
        f"BB_OUTPUT_TYPE OBJ{' PB' * problem.constraints}",
        f"SEED {seed}",
        *SETTINGS,
    ]
    if problem.batch_size > 1:  # otherwise NOMAD wants a callback of one point
        settings += [f"BB_MAX_BLOCK_SIZE {problem.batch_size}", *BLOCK_SETTINGS]
    return settings


class _Blackbox:
    """NOMAD's callback. It lets no exception out, since NOMAD crashes on one; `error` keeps it."""

    def __init__(self, problem: Problem, start: Point, free: list[int], answers: Answers) -> None:
        self.error: Exception | None = None
        self._space = problem.space
        self._free = free
        self._numbers = list(problem.space.to_numbers(start))  # variables of one value keep these
        self._answers = answers
        self._asked_before = len(answers)  # at the end of the last iteration that asked something new
        self._barren_iterations = 0

    def is_barren(self, _: Any) -> bool:
        """Whether the search should end, which NOMAD asks after each iteration once a point was feasible."""
        if len(self._answers) > self._asked_before:
            self._asked_before, self._barren_iterations = len(self._answers), 0
        else:
            self._barren_iterations += 1
        hopeless = self._answers.exhausted or self.error is not None
        return hopeless or self._barren_iterations >= BARREN_ITERATIONS

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

"""NOMAD's mesh adaptive direct search (MADS), which calls us back, with a search step of our own.

An iteration of MADS is a search, which may ask about any points, and a poll, which asks about
those around the best. NOMAD polls; a Gaussian process searches (`_surrogate.py`) and puts the poll
in order. Categories are polled as CatMADS does: NOMAD keeps them fixed, and the neighbours of the
best point in them join its poll. A better point ends a run of NOMAD's, and the next begins from it.

NOMAD crashes when a callback raises and goes in circles once its mesh is as fine as a grid. So
answers are remembered here and the callback asks only about what is not yet known.
docs/solver-notes.md says how the settings were chosen.
"""

import importlib
import itertools
import math
import platform
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from orchestrator.solvers._history import AnswerHistory, objectives, violation
from orchestrator.solvers._mads_steps import MadsSteps
from orchestrator.spec.problem import LARGEST_SEED, Evaluate, Evaluation, Problem
from search_spaces import Choice, Point

REQUIRES: tuple[str, ...] = ("PyNomadBBO", "numpy", "scipy")
MOST_OBJECTIVES = 2

STARTS_TRIED = 20  # random points that may fail after the start did, before the search is given up
DESIGN = 3  # random points after the start, for the first model
BARREN_ITERATIONS = 30  # of NOMAD's iterations without a new point, after which a run is ended
SETTINGS = (
    "DIRECTION_TYPE ORTHO 2N",  # the default polls with a model, which takes minutes on some grids
    "QUAD_MODEL_SEARCH no",  # the search step is ours
    "NM_SEARCH no",
    "MEGA_SEARCH_POLL yes",  # all points of an iteration in one block, for us to order
    "MAX_EVAL 5000",  # known points included
    "DISPLAY_DEGREE 2",  # to stderr, which is the solver's log
)


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the start and the hints, then search until every point of a finite space is known.

    Raises:
        RuntimeError: PyNomad is missing, no start succeeded, or NOMAD refused to begin.
    """
    pynomad = _pynomad()
    answers = AnswerHistory(problem, evaluate)
    rng = random.Random(problem.seed)
    _begin(problem, answers, rng)
    if answers.exhausted:
        return
    steps = MadsSteps(problem, answers, rng)
    polled: Counter[Point] = Counter()
    for run in itertools.count():
        front = answers.front()
        centre = _centre(answers, front, polled)
        polled[centre] += 1
        _poll_around(pynomad, problem, answers, steps, centre, run)
        if answers.exhausted:
            return
        if answers.front() == front:
            steps.search()


def _centre(answers: AnswerHistory, front: Sequence[Point], polled: Mapping[Point, int]) -> Point:
    """The point to poll around: of those polled least often the one with the widest gap around it.

    An end of the front comes first, as in DMultiMads (Bigeon, Le Digabel and Salomon 2021).
    """
    values = np.array([objectives(answers[point]) for point in front])
    gaps = np.full(len(front), math.inf)
    gaps[1:-1] = (np.abs(values[2:] - values[:-2]) / np.maximum(np.ptp(values, axis=0), 1e-300)).sum(axis=1)
    by_point = dict(zip(front, gaps, strict=True))
    return min(front, key=lambda point: (polled[point], -by_point[point]))


def _poll_around(
    pynomad: ModuleType, problem: Problem, answers: AnswerHistory, steps: MadsSteps, best: Point, run: int
) -> None:
    """One run of NOMAD's around a point, over the numbers; the point's categories are kept."""
    if steps.poll(steps.category_neighbours(best)):
        return
    free = [index for index, v in enumerate(problem.space.variables) if v.size != 1 and not _is_category(v)]
    if not free or answers.exhausted:
        return
    blackbox = _Blackbox(problem, best, free, answers, steps)
    variables = [problem.space.variables[index] for index in free]
    is_over = blackbox.is_over  # NOMAD keeps no reference to it
    pynomad.setCustomMegaIterEndCallback(is_over)
    result = pynomad.optimize(
        blackbox.evaluate_block,
        [problem.space.to_numbers(best)[index] for index in free],
        [variable.lower for variable in variables],
        [variable.upper for variable in variables],
        blackbox.settings((problem.seed + run) % (LARGEST_SEED + 1)),
    )
    if blackbox.error is not None:
        raise blackbox.error
    if not result:
        raise RuntimeError("NOMAD refused to begin; the log above says why")


def _is_category(variable: object) -> bool:
    return isinstance(variable, Choice) and not variable.ordered


def _pynomad() -> ModuleType:
    try:
        return importlib.import_module("PyNomad")
    except ImportError as error:
        raise RuntimeError(
            f"solver nomad needs PyNomad, which cannot be imported here (Python "
            f"{platform.python_version()}, {sys.platform}, {platform.machine()}): {error}. Run `pip install "
            f"PyNomadBBO`; there is none for Linux on Arm, where the other solvers work"
        ) from error


def _begin(problem: Problem, answers: AnswerHistory, rng: random.Random) -> None:
    """Ask about the start, the hints and some random points; about more of those while all fail.

    Hints stand in for random points, which at least fill the block that the hints end in.
    """
    hints = len(problem.opening) - 1
    drawn = max(DESIGN - hints, -len(problem.opening) % problem.batch_size)
    answers.ask([*problem.opening, *(problem.space.sample(rng) for _ in range(drawn))])
    while not answers.any_succeeded:
        more = min(problem.batch_size, STARTS_TRIED - drawn)
        if more <= 0 or answers.exhausted:
            raise RuntimeError(
                f"the start and {hints + drawn} other points all failed; see why in the trials' logs, "
                f"or start from a point that is known to work"
            )
        answers.ask([problem.space.sample(rng) for _ in range(more)])
        drawn += more


class _Blackbox:
    """NOMAD's callback. It lets no exception out, since NOMAD crashes on one; `error` keeps it."""

    def __init__(
        self, problem: Problem, start: Point, free: list[int], answers: AnswerHistory, steps: MadsSteps
    ) -> None:
        self.error: Exception | None = None
        self._problem = problem
        self._start = start
        self._numbers = list(problem.space.to_numbers(start))  # variables that are kept have these
        self._free = free
        self._answers = answers
        self._steps = steps
        self._is_feasible = answers[start].feasible
        self._asked_before = len(answers)  # at the end of the last iteration that asked something new
        self._barren_iterations = 0
        self._improved = False
        ends = [objectives(answers[point]) for point in (answers.front()[0], answers.front()[-1])]
        self._ranges = np.maximum(np.ptp(ends, axis=0), 1e-300)

    def settings(self, seed: int) -> list[str]:
        """What NOMAD is told. While nothing is feasible, the violation is what it minimises."""
        kinds = " ".join("I" if self._problem.space.variables[i].integer else "R" for i in self._free)
        constraints = self._problem.constraints if self._is_feasible else 0
        return [
            f"BB_INPUT_TYPE ({kinds})",
            f"BB_OUTPUT_TYPE OBJ{' PB' * constraints}",
            f"BB_MAX_BLOCK_SIZE {max(2, 4 * len(self._free))}",
            f"SEED {seed}",
            *SETTINGS,
        ]

    def is_over(self, _: Any) -> bool:
        """Whether the run should end, which NOMAD asks after each iteration."""
        if len(self._answers) > self._asked_before:
            self._asked_before, self._barren_iterations = len(self._answers), 0
        else:
            self._barren_iterations += 1
        hopeless = self._answers.exhausted or self.error is not None
        return self._improved or hopeless or self._barren_iterations >= BARREN_ITERATIONS

    def evaluate_block(self, block: Any) -> list[int]:
        """Answer NOMAD's block of points, as many as it has: fewer would end the process."""
        asked = [block.get_x(index) for index in range(block.size())]
        if self.error is None:
            try:
                return self._answered(asked)
            except Exception as error:
                self.error = error  # raised by `search`; every later point fails, so NOMAD soon ends
        return [0] * len(asked)

    def _answered(self, asked: list[Any]) -> list[int]:
        """Ask about the points unless one better than the start is found first; the rest then fails."""
        points = [self._point(one) for one in asked]
        if not self._improved:
            self._improved = self._steps.poll(points)
        return [self._told(one, point) for one, point in zip(asked, points, strict=True)]

    def _told(self, one: Any, point: Point) -> int:
        if point not in self._answers or self._answers[point].failed:
            return 0
        answer = self._answers[point]
        both = (self._objective(answer), *answer.constraints)
        numbers = both if self._is_feasible else (violation(answer),)
        one.setBBO(" ".join(map(repr, numbers)).encode())  # repr gives every digit of a float
        return 1

    def _objective(self, answer: Evaluation) -> float:
        """The one number that NOMAD minimises: of two objectives, how much the one that is worse off lost.

        That is since the run's start and in units of the front's range. A point that joins the front without
        being better in both is no success to NOMAD, and ends the run all the same.
        """
        if not answer.others:
            return answer.objective
        lost = np.subtract(objectives(answer), objectives(self._answers[self._start]))
        return float((lost / self._ranges).max())

    def _point(self, one: Any) -> Point:
        numbers = list(self._numbers)
        for position, index in enumerate(self._free):
            numbers[index] = one.get_coord(position)
        return self._problem.space.from_numbers(numbers)

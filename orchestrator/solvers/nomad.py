"""NOMAD's mesh adaptive direct search (MADS), which calls us back, with a search step of our own.

An iteration of MADS is a search, which may ask about any points, and a poll, which asks about points around
the best. NOMAD polls; a Gaussian process searches (`_surrogate.py`) and orders the poll. The two steps share
the blocks of trainings: a block has so many points of the surrogate for each point of the poll, and is full
although a poll has few points.

Categories are polled as in CatMADS: NOMAD keeps them fixed, and the best point's neighbours in them join its
poll. A better point ends a run of NOMAD, and the next run begins from it.

NOMAD crashes when a callback raises, and repeats itself once its mesh is as fine as a grid. So answers are
kept here, and the callback asks only about points without an answer. docs/solver-notes.md says how the
settings were chosen.
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
from typing import Any, cast

import numpy as np

from orchestrator.solvers._acquisition import is_category
from orchestrator.solvers._history import STARTS_TRIED, AnswerHistory, objectives, violation
from orchestrator.solvers._model_steps import ModelAnswers, ModelSteps
from orchestrator.solvers._surrogate import Surrogate
from orchestrator.spec.problem import LARGEST_SEED, Evaluate, EvaluateAsks, Evaluation, Problem
from search_spaces import Point

REQUIRES: tuple[str, ...] = ("PyNomadBBO", "numpy", "scipy")
MOST_OBJECTIVES = 2
PLANS_REPLICATES = True

DESIGN = 3  # random points after the start, for the first model
BARREN_ITERATIONS = 30  # of NOMAD without a new point, after which a run is ended
SEARCHED_PER_POLLED = 8
POLISHED_BELOW = 0.01  # of the objective: the expected improvement at which the best point is polished
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

    Raises RuntimeError if PyNomad is missing, all starts failed, or NOMAD refused to begin.
    """
    pynomad = _import_pynomad()
    rng = random.Random(problem.seed)
    steps = _begin(problem, evaluate, rng)
    if steps is None:
        return
    answers = steps.answers
    polled: Counter[Point] = Counter()
    for run in itertools.count():
        front = answers.front()
        centre = _choose_centre(answers, front, polled)
        polled[centre] += 1
        _poll_around(pynomad, problem, answers, steps, centre, run)
        if answers.exhausted:
            return
        if answers.front() == front:
            steps.search()
        if isinstance(steps, MadsSteps) and steps.promise < POLISHED_BELOW:
            steps.polish()


def _begin(problem: Problem, evaluate: Evaluate, rng: random.Random) -> "MadsSteps | ModelSteps | None":
    """Ask the first questions, and return the steps that follow; None if every point is known."""
    if problem.goal is not None:
        planned = ModelSteps(problem, ModelAnswers(problem, problem.goal, cast(EvaluateAsks, evaluate)), rng)
        planned.begin()
        return planned
    answers = AnswerHistory(problem, evaluate)
    _ask_first(problem, answers, rng)
    return None if answers.exhausted else MadsSteps(problem, answers, rng)


def _import_pynomad() -> ModuleType:
    try:
        return importlib.import_module("PyNomad")
    except ImportError as error:
        raise RuntimeError(
            f"solver nomad needs PyNomad, which cannot be imported here (Python "
            f"{platform.python_version()}, {sys.platform}, {platform.machine()}): {error}. Run `pip install "
            f"PyNomadBBO`; there is none for Linux on Arm, where the other solvers work"
        ) from error


def _ask_first(problem: Problem, answers: AnswerHistory, rng: random.Random) -> None:
    """Ask about the start, the hints and some random points; about more of those while all fail.

    Hints replace random points, except those that fill the block in which the hints end.
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


def _choose_centre(answers: AnswerHistory, front: Sequence[Point], polled: Mapping[Point, int]) -> Point:
    """Return the point to poll around: of those polled least often, the one with the widest gap around it.

    An end of the front comes first, as in DMultiMads (Bigeon, Le Digabel and Salomon 2021).
    """
    values = np.array([objectives(answers[point]) for point in front])
    gaps = np.full(len(front), math.inf)
    gaps[1:-1] = (np.abs(values[2:] - values[:-2]) / np.maximum(np.ptp(values, axis=0), 1e-300)).sum(axis=1)
    by_point = dict(zip(front, gaps, strict=True))
    return min(front, key=lambda point: (polled[point], -by_point[point]))


class MadsSteps:
    """The search and the poll of one problem."""

    def __init__(self, problem: Problem, answers: AnswerHistory, rng: random.Random) -> None:
        self.answers = answers
        self._problem = problem
        self._rng = rng
        self._surrogate = Surrogate(problem, answers)
        self._searched = self._polled = 0  # points that were trained, not screened
        self._polished: set[Point] = set()
        free = [variable for variable in problem.space.variables if variable.size != 1]
        self._is_polishing = (
            answers.screen.knows_costs and problem.objectives == 1 and all(map(is_category, free))
        )

    @property
    def promise(self) -> float:
        """The fraction of the objective that the last search was expected to save; 1 before there is one."""
        return self._surrogate.promise

    def poll(self, points: Sequence[Point]) -> bool:
        """Ask about the points, the most promising first, until the best point or the front changes.

        Return whether it did, by these points or by those searched in between.
        """
        before = self.answers.front()
        queue = self._surrogate.order(self.answers.due(points))
        while queue:
            self._ask(queue)
            if self.answers.front() != before:
                return True
            if self.answers.exhausted:
                break
            queue = self.answers.due(queue)
        return False

    def search(self) -> None:
        """Ask about a block of points that the surrogate proposes."""
        self._ask([])

    def polish(self) -> None:
        """Ask about all cheaper neighbours of the best point in one or two categories, until one is better.

        The most promising come first. A best point is polished once, if objectives are known and all
        variables are categories.
        """
        best = self.answers.best()
        if not self._is_polishing or best in self._polished or not self.answers[best].feasible:
            return
        self._polished.add(best)
        near = self.category_neighbours(best)
        nearby = [*near, *itertools.chain.from_iterable(map(self.category_neighbours, near))]
        queue = self._surrogate.order(self.answers.due(nearby))
        while queue and self.answers.best() == best:
            self.answers.ask(queue[: self._problem.batch_size])
            queue = self.answers.due(queue)

    def category_neighbours(self, point: Point) -> list[Point]:
        """Return the points that differ from this one in one category."""
        return [
            self._problem.space.point({**point, variable.name: value})
            for variable in self._problem.space.variables
            if is_category(variable)
            for value in variable.values
            if value != point[variable.name] or type(value) is not type(point[variable.name])
        ]

    def _ask(self, queue: Sequence[Point]) -> None:
        """Ask about one block, with points of both steps in their proportion."""
        size = self._problem.batch_size
        from_poll: list[Point] = []
        searched, polled = self._searched, self._polled
        for _ in range(size):
            if len(from_poll) < len(queue) and searched >= SEARCHED_PER_POLLED * polled:
                from_poll.append(queue[len(from_poll)])
                polled += 1
            else:
                searched += 1
        from_search = self._surrogate.propose(self._rng, from_poll, size - len(from_poll))
        spare = size - len(from_poll) - len(from_search)
        from_poll += queue[len(from_poll) : len(from_poll) + spare]
        block = list(dict.fromkeys([*from_poll, *from_search]))
        if not block and self.answers.screen.is_used:
            block = self.answers.draw(self._rng)
        while not block and not self.answers.exhausted:  # only then at random
            drawn = [self._problem.space.sample(self._rng) for _ in range(size)]
            block = self.answers.due(drawn)
        self.answers.ask(block)
        self._polled += sum(not self.answers[point].screened for point in from_poll)
        self._searched += sum(not self.answers[point].screened for point in from_search)


def _poll_around(
    pynomad: ModuleType,
    problem: Problem,
    answers: AnswerHistory,
    steps: MadsSteps | ModelSteps,
    best: Point,
    run: int,
) -> None:
    """Run NOMAD once around a point, over the numbers; the point's categories are kept."""
    if steps.poll(steps.category_neighbours(best)):
        return
    free = [index for index, v in enumerate(problem.space.variables) if v.size != 1 and not is_category(v)]
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


class _Blackbox:
    """NOMAD's callback. It lets no exception out, since NOMAD crashes on one; `error` keeps it."""

    def __init__(
        self,
        problem: Problem,
        start: Point,
        free: list[int],
        answers: AnswerHistory,
        steps: MadsSteps | ModelSteps,
    ) -> None:
        self.error: Exception | None = None
        self._problem = problem
        self._start = start
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
        """Return NOMAD's parameters. While no point is feasible, it minimises the violation."""
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
        """Return whether the run should end, after one of NOMAD's iterations."""
        if len(self._answers) > self._asked_before:
            self._asked_before, self._barren_iterations = len(self._answers), 0
        else:
            self._barren_iterations += 1
        cannot_go_on = self._answers.exhausted or self.error is not None
        return self._improved or cannot_go_on or self._barren_iterations >= BARREN_ITERATIONS

    def evaluate_block(self, block: Any) -> list[int]:
        """Answer NOMAD's block of points, as many as it has: fewer would end the process."""
        asked = [block.get_x(index) for index in range(block.size())]
        if self.error is None:
            try:
                return self._answer(asked)
            except Exception as error:
                self.error = error  # raised by `search`; every later point fails, so NOMAD soon ends
        return [0] * len(asked)

    def _answer(self, asked: list[Any]) -> list[int]:
        """Ask about the points unless one better than the start is found first; the rest then fails."""
        points = [self._to_point(one) for one in asked]
        if not self._improved:
            self._improved = self._steps.poll(points)
        return [self._set_outputs(one, point) for one, point in zip(asked, points, strict=True)]

    def _set_outputs(self, one: Any, point: Point) -> int:
        answer = self._answers.get(point)
        if answer is None or answer.failed:
            return 0
        both = (self._objective(answer), *answer.constraints)
        numbers = both if self._is_feasible else (violation(answer),)
        one.setBBO(" ".join(map(repr, numbers)).encode())  # repr gives every digit of a float
        return 1

    def _objective(self, answer: Evaluation) -> float:
        """Return the number that NOMAD minimises; with two objectives, the larger loss of the two.

        Losses are since the run's start, in units of the front's range. A point that joins the front but is
        not better in both is no success to NOMAD, and ends the run all the same.
        """
        if not answer.others:
            return answer.objective
        lost = np.subtract(objectives(answer), objectives(self._answers[self._start]))
        return float((lost / self._ranges).max())

    def _to_point(self, one: Any) -> Point:
        numbers = list(self._problem.space.to_numbers(self._start))  # categories stay those of the start
        for position, index in enumerate(self._free):
            numbers[index] = one.get_coord(position)
        return self._problem.space.from_numbers(numbers)

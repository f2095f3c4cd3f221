"""CMA-ES for mixed variables: CatCMA with margin (Hamano et al. 2025).

It has a distribution of its own for categories, and keeps integers from converging too early. It learns from
ranks within a generation and needs many generations, so with few trainings it is a baseline. A point that
comes again is answered from memory, not asked.
"""

import itertools
import math
import random
from typing import Any

import numpy as np
from cmaes import CatCMAwM

from orchestrator.solvers._history import AnswerHistory, violation
from orchestrator.spec.problem import Evaluate, Evaluation, Problem
from search_spaces import Choice, Point, Space

REQUIRES: tuple[str, ...] = ("cmaes", "numpy", "scipy")

SPREAD = 0.25  # of each range: the first standard deviation
FEW = 1000  # values that a grid may have to keep a margin; a longer one is rounded reals
STALE_GENERATIONS = 10  # that bring no new point, after which a random one is asked and it begins again
INFEASIBLE = 1e200  # an infeasible point's value is this times its violation, plus it: above any objective


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the start and the hints, then about draws from the distribution around the best point."""
    rng = random.Random(problem.seed)
    answers = AnswerHistory(problem, evaluate)
    answers.ask([*problem.opening])
    for attempt in itertools.count():
        if answers.exhausted:
            return
        _evolve(problem, answers, problem.seed + attempt)
        answers.ask(answers.draw(rng))


def _evolve(problem: Problem, answers: AnswerHistory, seed: int) -> None:
    """Ask about generations that begin at the best point, until they contain nothing new."""
    coding = _Coding(problem.space)
    if not coding.any_free:
        return
    optimizer = coding.make_optimizer(answers.best(), seed % 2**32)
    stale = 0
    while stale < STALE_GENERATIONS and not answers.exhausted:
        asked_before = len(answers)
        solutions = [optimizer.ask() for _ in range(optimizer.population_size)]
        points = [coding.to_point(solution) for solution in solutions]
        answers.ask(points)
        told = [answers.get(p) or answers.screen.answer(p, problem.constraints) for p in points]
        values = [_value(answer) for answer in told]
        optimizer.tell(list(zip(solutions, values, strict=True)))
        stale = stale + 1 if len(answers) == asked_before else 0


def _value(answer: Evaluation) -> float:
    """Return a number that orders answers; the optimizer uses only the order."""
    if answer.failed:
        return math.inf
    missed = violation(answer)
    return answer.objective if missed == 0 else INFEASIBLE * (1 + missed)


class _Coding:
    """Points as the optimizer's solutions: numbers and grids on [0, 1], categories as themselves."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._classes, self._steps, self._reals = list[int](), list[int](), list[int]()
        for index, variable in enumerate(space.variables):
            if variable.size == 1:
                continue
            if isinstance(variable, Choice) and (not variable.ordered or variable.size == 2):
                self._classes.append(index)
            elif variable.integer and (variable.size or 0) <= FEW:
                self._steps.append(index)
            else:
                self._reals.append(index)

    @property
    def any_free(self) -> bool:
        return bool(self._reals or self._steps or self._classes)

    def make_optimizer(self, around: Point, seed: int) -> Any:
        """Return an optimizer whose distribution lies around a point."""
        numbers = self._space.to_numbers(around)
        sizes = [int(self._space.variables[index].upper) + 1 for index in self._classes]
        mean = np.array([self._share(index, numbers[index]) for index in (*self._reals, *self._steps)])
        return CatCMAwM(
            x_space=[[0.0, 1.0]] * len(self._reals) or None,
            z_space=[self._grid(index) for index in self._steps] or None,
            c_space=sizes or None,
            mean=mean if len(mean) else None,
            sigma=SPREAD,
            cov=np.eye(len(mean)) if len(mean) else None,
            seed=seed,
        )

    def to_point(self, solution: Any) -> Point:
        numbers = [variable.lower for variable in self._space.variables]
        for position, index in enumerate(self._reals):
            number = self._number(index, float(solution.x[position]))
            numbers[index] = round(number) if self._space.variables[index].integer else number
        for position, index in enumerate(self._steps):
            numbers[index] = round(self._number(index, float(solution.z[position])))
        for position, index in enumerate(self._classes):
            numbers[index] = float(np.argmax(solution.c[position]))
        return self._space.from_numbers(numbers)

    def _grid(self, index: int) -> list[float]:
        count = int(self._space.variables[index].upper - self._space.variables[index].lower)
        return [step / count for step in range(count + 1)]

    def _share(self, index: int, number: float) -> float:
        variable = self._space.variables[index]
        return (number - variable.lower) / (variable.upper - variable.lower)

    def _number(self, index: int, share: float) -> float:
        variable = self._space.variables[index]
        number = variable.lower + min(max(share, 0.0), 1.0) * (variable.upper - variable.lower)
        return min(max(number, variable.lower), variable.upper)

"""Local search: a baseline without a model.

It changes one variable of the best point at a time and moves to the first change that is better. If none is,
it makes smaller changes, and after the smallest it changes several variables at once.
"""

import itertools
import random
from collections.abc import Iterator

from orchestrator.solvers._history import AnswerHistory, rank
from orchestrator.spec.problem import Evaluate, Problem
from search_spaces import Choice, Point, Space, Variable

REQUIRES: tuple[str, ...] = ()

REACHES = (0.25, 0.0625, 0.015625, 0.00390625)  # of a range, in turn; on a grid at least one step
KICKS = 20  # changes of several variables that may be known already, before a random point is asked


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the opening, then about changes of the best point, until all points were asked."""
    rng = random.Random(problem.seed)
    answers = AnswerHistory(problem, evaluate)
    answers.ask([*problem.opening])
    while not answers.exhausted:
        if not _improve_nearby(problem, answers, rng) and not answers.exhausted:
            answers.ask(_kick(problem.space, answers, rng))


def _improve_nearby(problem: Problem, answers: AnswerHistory, rng: random.Random) -> bool:
    """Ask about neighbours, a block at a time, until one is better. Return whether one was."""
    best = answers.best()
    for reach in REACHES:
        near = answers.due(_neighbours(problem.space, best, reach))
        rng.shuffle(near)
        for first in range(0, len(near), problem.batch_size):
            answers.ask(near[first : first + problem.batch_size])
            if rank(answers[answers.best()]) < rank(answers[best]):
                return True
    return False


def _neighbours(space: Space, point: Point, reach: float) -> Iterator[Point]:
    """Return the points with one variable changed, each once."""
    numbers = space.to_numbers(point)
    changed = (
        (*numbers[:index], value, *numbers[index + 1 :])
        for index, variable in enumerate(space.variables)
        for value in _changes(variable, numbers[index], reach)
    )
    return iter(dict.fromkeys(map(space.from_numbers, changed)))


def _changes(variable: Variable, number: float, reach: float) -> Iterator[float]:
    """Yield every other category, or the numbers one step below and above."""
    if isinstance(variable, Choice) and not variable.ordered:
        yield from (value for value in range(variable.size) if value != number)
        return
    step = reach * (variable.upper - variable.lower)
    if variable.integer:
        step = max(1, round(step))
    for value in (number - step, number + step):
        if variable.lower <= value <= variable.upper and value != number:
            yield value


def _kick(space: Space, answers: AnswerHistory, rng: random.Random) -> list[Point]:
    """Return a new point that differs from the best in several variables; at last a random one, if any."""
    best = answers.best()
    for kick in itertools.count():
        if kick >= KICKS and answers.screen.is_used:
            return answers.draw(rng)
        other = space.sample(rng)
        kept = set(rng.sample(space.names, max(0, len(space.names) - 2 - kick // 10)))
        point = space.point({name: (best if name in kept else other)[name] for name in space.names})
        if kick >= KICKS:
            point = other
        if due := answers.due([point]):
            return due
    raise AssertionError("unreachable")

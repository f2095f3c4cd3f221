"""The two steps of an iteration of MADS, which share the trainings.

A block is filled from both: so many points that the surrogate proposes for each that the poll
asks. Blocks are therefore full although a poll seldom has as many points as there are slots.
"""

import random
from collections.abc import Sequence

from orchestrator.solvers._history import AnswerHistory
from orchestrator.solvers._surrogate import Surrogate
from orchestrator.spec.problem import Problem
from search_spaces import Choice, Point

SEARCHED_PER_POLLED = 8


class MadsSteps:
    """The search and the poll of one problem."""

    def __init__(self, problem: Problem, answers: AnswerHistory, rng: random.Random) -> None:
        self._problem = problem
        self._answers = answers
        self._rng = rng
        self._surrogate = Surrogate(problem, answers)
        self._searched = self._polled = 0  # points that were evaluated, not screened

    def poll(self, points: Sequence[Point]) -> bool:
        """Ask about the points, those that promise most first, until one is better than the best before.

        Of two objectives, one that joins the front is better.

        Return whether one was, of these or of those searched in between.
        """
        new = [point for point in dict.fromkeys(points) if point not in self._answers]
        before = self._answers.front()
        queue = self._surrogate.ordered(new)
        while queue:
            self._ask(queue)
            if self._answers.front() != before:
                return True
            queue = [point for point in queue if point not in self._answers]
        return False

    def search(self) -> None:
        """Ask about a block of points that the surrogate proposes."""
        self._ask([])

    def category_neighbours(self, point: Point) -> list[Point]:
        """The points that differ from this one in one category."""
        return [
            self._problem.space.point({**point, variable.name: value})
            for variable in self._problem.space.variables
            if isinstance(variable, Choice) and not variable.ordered
            for value in variable.values
            if value != point[variable.name] or type(value) is not type(point[variable.name])
        ]

    def _ask(self, queue: Sequence[Point]) -> None:
        """Ask about one block, of both kinds of points as is their share."""
        size = self._problem.batch_size
        from_poll: list[Point] = []
        searched, polled = self._searched, self._polled
        for _ in range(size):
            if len(from_poll) < len(queue) and searched >= SEARCHED_PER_POLLED * polled:
                from_poll.append(queue[len(from_poll)])
                polled += 1
            else:
                searched += 1
        from_search = self._surrogate.promising(self._rng, from_poll, size - len(from_poll))
        spare = size - len(from_poll) - len(from_search)
        from_poll += queue[len(from_poll) : len(from_poll) + spare]
        block = list(dict.fromkeys([*from_poll, *from_search])) or self._random_points(size)
        self._answers.ask(block)
        self._polled += self._evaluated(from_poll)
        self._searched += self._evaluated(from_search)

    def _evaluated(self, points: Sequence[Point]) -> int:
        return sum(not self._answers[point].screened for point in points)

    def _random_points(self, count: int) -> list[Point]:
        """New points drawn at random, at least one."""
        drawn: dict[Point, None] = {}
        while not drawn:
            points = (self._problem.space.sample(self._rng) for _ in range(count))
            drawn = dict.fromkeys(point for point in points if point not in self._answers)
        return list(drawn)

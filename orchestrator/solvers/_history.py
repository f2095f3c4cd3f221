"""Every answer that a solver has had, so that it asks about no point twice.

Points are compared as in filter and barrier methods: by their violation of the constraints first, and by
their objective if they violate them equally. A failed point is worse than all others.
"""

import math

from orchestrator.spec.problem import Evaluate, Evaluation, Problem
from search_spaces import Point


class AnswerHistory(dict[Point, Evaluation]):
    """Every answer so far, in the order in which they were asked; asks about points that have none."""

    def __init__(self, problem: Problem, evaluate: Evaluate) -> None:
        super().__init__()
        self._problem = problem
        self._evaluate = evaluate

    @property
    def exhausted(self) -> bool:
        """Whether every point of a finite space has been answered."""
        return len(self) == self._problem.space.size

    @property
    def any_succeeded(self) -> bool:
        return any(not answer.failed for answer in self.values())

    def best(self) -> Point:
        """Return the feasible point of least objective; if none is feasible, the one that violates least."""
        return min(self, key=lambda point: rank(self[point]))

    def front(self) -> list[Point]:
        """Return the Pareto front of the feasible points, by the first objective; or the best, with only one.

        If no point is feasible, return the one that violates least.
        """
        best = self.best()
        if self._problem.objectives == 1 or not self[best].feasible:
            return [best]
        feasible = [point for point, answer in self.items() if answer.feasible]
        front: list[Point] = []
        least = math.inf
        for point in sorted(feasible, key=lambda p: objectives(self[p])):
            if self[point].others[0] < least:
                front.append(point)
                least = self[point].others[0]
        return front

    def ask(self, points: list[Point]) -> None:
        """Ask about those of the points that have no answer, a block at a time."""
        new = [point for point in dict.fromkeys(points) if point not in self]
        for first in range(0, len(new), self._problem.batch_size):
            batch = new[first : first + self._problem.batch_size]
            self.update(zip(batch, self._evaluate(batch), strict=True))


def rank(answer: Evaluation) -> tuple[float, float]:
    """Return a key by which better answers come first."""
    return (math.inf, math.inf) if answer.failed else (violation(answer), answer.objective)


def objectives(answer: Evaluation) -> tuple[float, ...]:
    return (answer.objective, *answer.others)


def violation(answer: Evaluation) -> float:
    """Return the sum of what the constraints miss; 0 if all hold."""
    return sum(max(constraint, 0.0) for constraint in answer.constraints)

"""Every answer that a solver has had, so that it asks about no point twice.

Points are compared as the papers on constraints by filter and barrier do: by their violation of
the constraints first, by their objective where neither violates more. A failed point is worse
than all others, whatever it violates.
"""

import math
from collections.abc import Iterator

from orchestrator.spec.problem import Evaluate, Evaluation, Problem
from search_spaces import Point


class AnswerHistory:
    """Every answer so far; asks about points that have none."""

    def __init__(self, problem: Problem, evaluate: Evaluate) -> None:
        self._problem = problem
        self._evaluate = evaluate
        self._known: dict[Point, Evaluation] = {}

    def __getitem__(self, point: Point) -> Evaluation:
        return self._known[point]

    def __contains__(self, point: Point) -> bool:
        return point in self._known

    def __iter__(self) -> Iterator[Point]:
        """Points in the order in which they were asked."""
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    @property
    def exhausted(self) -> bool:
        """Whether every point of a finite space has been answered."""
        return len(self._known) == self._problem.space.size

    @property
    def any_succeeded(self) -> bool:
        return any(not answer.failed for answer in self._known.values())

    def best(self) -> Point:
        """The feasible point of least objective, or the one that violates least where none is feasible."""
        return min(self._known, key=lambda point: rank(self._known[point]))

    def front(self) -> list[Point]:
        """The feasible points that none betters in both objectives, by the first; of one objective the best.

        Where no point is feasible it is the one that violates least.
        """
        best = self.best()
        if self._problem.objectives == 1 or not self._known[best].feasible:
            return [best]
        feasible = [point for point, answer in self._known.items() if answer.feasible]
        front: list[Point] = []
        least = math.inf
        for point in sorted(feasible, key=lambda p: objectives(self._known[p])):
            if self._known[point].others[0] < least:
                front.append(point)
                least = self._known[point].others[0]
        return front

    def ask(self, points: list[Point]) -> None:
        """Make the answers of all these points known, a block at a time."""
        new = [point for point in dict.fromkeys(points) if point not in self._known]
        for first in range(0, len(new), self._problem.batch_size):
            batch = new[first : first + self._problem.batch_size]
            self._known.update(zip(batch, self._evaluate(batch), strict=True))


def rank(answer: Evaluation) -> tuple[float, float]:
    """A key by which better answers come first."""
    return (math.inf, math.inf) if answer.failed else (violation(answer), answer.objective)


def objectives(answer: Evaluation) -> tuple[float, ...]:
    return (answer.objective, *answer.others)


def violation(answer: Evaluation) -> float:
    """The sum of what the constraints miss; 0 where all hold."""
    return sum(max(constraint, 0.0) for constraint in answer.constraints)

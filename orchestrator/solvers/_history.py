"""Every answer that a solver has had, and what is known of points without asking, to save questions.

Points are compared as in filter and barrier methods: by their violation of the constraints first, and by
their objective if they violate them equally. A failed point is worse than all others.
"""

import math
import random
from collections.abc import Container, Iterable, Sequence

from orchestrator.spec.problem import Evaluate, Evaluation, Problem
from search_spaces import Point, Space

LISTED = 8192  # points, up to which a space is gone through to find those that are left
DRAWS = 100  # at random, until a space is gone through
MOST_DRAWS = 2000  # the same in a larger space, which is then left
STARTS_TRIED = 20  # random points that may fail after the start did, before the search is given up


class Screen:
    """Which points need no training, by what is known of them before any.

    They are over a limit, or their objective is known and not less than the best feasible one. The search
    would skip them too. It has no such points for a problem of version 1, or where only training tells.
    """

    def __init__(self, problem: Problem) -> None:
        is_used = problem.version >= 2
        self._look_up_costs = problem.costs if is_used else None
        self._look_up_allowed = problem.allowed if is_used else None
        self._skips_larger = problem.objectives == 1 and problem.goal is None
        self._costs: dict[Point, float] = {}
        self._over_limits = {problem.start: False}  # which is asked about all the same
        self._least = math.inf  # the best feasible objective

    @property
    def knows_costs(self) -> bool:
        return self._look_up_costs is not None

    @property
    def is_used(self) -> bool:
        return self.knows_costs or self._look_up_allowed is not None

    def learn(self, answers: Iterable[Evaluation]) -> None:
        """Take note of the answers of trainings."""
        feasible = (one.objective for one in answers if one.feasible and not one.screened)
        self._least = min(self._least, *feasible, math.inf)

    def costs(self, points: Sequence[Point]) -> list[float]:
        """Return the known objectives of points, each looked up once."""
        assert self._look_up_costs is not None
        new = [point for point in dict.fromkeys(points) if point not in self._costs]
        self._costs.update(zip(new, self._look_up_costs(new) if new else (), strict=True))
        return [self._costs[point] for point in points]

    def passing(self, points: Sequence[Point]) -> list[Point]:
        """Return those of the points that may need a training."""
        if self._look_up_allowed is not None:
            new = [point for point in dict.fromkeys(points) if point not in self._over_limits]
            allowed = self._look_up_allowed(new) if new else []
            self._over_limits.update((point, not is_in) for point, is_in in zip(new, allowed, strict=True))
            points = [point for point in points if not self._over_limits[point]]
        if self.knows_costs and self._skips_larger and self._least < math.inf:
            costs = zip(points, self.costs(points), strict=True)
            points = [point for point, cost in costs if cost < self._least]
        return list(points)

    def answer(self, point: Point, constraints: int) -> Evaluation:
        """Return what the search would tell of a point that does not pass."""
        if not self.knows_costs or self._over_limits.get(point):
            return Evaluation.failure()
        return Evaluation(self.costs([point])[0], (0.0,) * constraints, screened=True)


def draw_new(space: Space, rng: random.Random, known: Container[Point], screen: Screen) -> Point | None:
    """Return a point drawn at random that is not known and passes the screen; None if no more was found."""
    is_listed = space.size is not None and space.size <= LISTED
    drawn = 0
    while not screen.is_used or drawn < (DRAWS if is_listed else MOST_DRAWS):
        point = space.sample(rng)
        if point not in known and screen.passing([point]):
            return point
        drawn += 1
    left = screen.passing([point for point in space if point not in known]) if is_listed else []
    return rng.choice(left) if left else None


class AnswerHistory(dict[Point, Evaluation]):
    """Every answer so far, in the order in which they were asked; asks about points that have none."""

    def __init__(self, problem: Problem, evaluate: Evaluate) -> None:
        super().__init__()
        self.screen = Screen(problem)
        self._problem = problem
        self._evaluate = evaluate
        self._none_left = False  # whether a search for a point that may be asked was in vain

    @property
    def exhausted(self) -> bool:
        """Whether no point is left to ask about, as far as that was found."""
        return self._none_left or len(self) == self._problem.space.size

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
        """Ask about those of the points that may be asked, a block at a time."""
        due = self.due(points)
        while due:
            self._ask(due[: self._problem.batch_size])
            due = self.due(due[self._problem.batch_size :])

    def due(self, points: Iterable[Point]) -> list[Point]:
        """Return those of the points that have no answer and may need a training, each once."""
        return self.screen.passing([point for point in dict.fromkeys(points) if point not in self])

    def draw(self, rng: random.Random) -> list[Point]:
        """Return one point drawn at random that may be asked; none if none was found, or all are known."""
        point = None if self.exhausted else draw_new(self._problem.space, rng, self, self.screen)
        self._none_left = point is None
        return [] if point is None else [point]

    def _ask(self, batch: list[Point]) -> None:
        answers = self._evaluate(batch)
        self.update(zip(batch, answers, strict=True))
        self.screen.learn(answers)


def rank(answer: Evaluation) -> tuple[float, float]:
    """Return a key by which better answers come first."""
    return (math.inf, math.inf) if answer.failed else (violation(answer), answer.objective)


def objectives(answer: Evaluation) -> tuple[float, ...]:
    return (answer.objective, *answer.others)


def violation(answer: Evaluation) -> float:
    """Return the sum of what the constraints miss; 0 if all hold."""
    return sum(max(constraint, 0.0) for constraint in answer.constraints)

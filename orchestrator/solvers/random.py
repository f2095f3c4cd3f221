"""Points drawn at random: the baseline that every other solver must beat.

No point comes twice, so on a finite space the search ends when none is left that may need a training.
"""

import itertools
import random
from collections.abc import Iterator

from orchestrator.solvers._history import Screen, draw_new
from orchestrator.spec.problem import Evaluate, Problem
from search_spaces import Point

REQUIRES: tuple[str, ...] = ()
MOST_OBJECTIVES = 2


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the start and the hints, then about points drawn uniformly on their variables' scales."""
    screen = Screen(problem)
    points = _draw(problem, screen)
    while batch := list(itertools.islice(points, problem.batch_size)):
        screen.learn(evaluate(batch))


def _draw(problem: Problem, screen: Screen) -> Iterator[Point]:
    rng = random.Random(problem.seed)
    seen = set(problem.opening)
    yield from problem.opening
    while len(seen) != problem.space.size:
        point = draw_new(problem.space, rng, seen, screen)
        if point is None:
            return
        seen.add(point)
        yield point

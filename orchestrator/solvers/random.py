"""Points drawn at random: the baseline that every other solver must beat.

No point comes twice, so on a finite space the search ends when all have been asked.
"""

import itertools
import random
from collections.abc import Iterator

from orchestrator.spec.problem import Evaluate, Problem
from search_spaces import Point

REQUIRES: tuple[str, ...] = ()
MOST_OBJECTIVES = 2


def search(problem: Problem, evaluate: Evaluate) -> None:
    """Ask about the start and the hints, then about points drawn uniformly on their variables' scales."""
    points = _draw(problem)
    while batch := list(itertools.islice(points, problem.batch_size)):
        evaluate(batch)


def _draw(problem: Problem) -> Iterator[Point]:
    rng = random.Random(problem.seed)
    seen = set(problem.opening)
    yield from problem.opening
    while len(seen) != problem.space.size:
        point = problem.space.sample(rng)
        if point not in seen:
            seen.add(point)
            yield point

"""NOMAD where the problem has a goal: what it asks, in which blocks, and when it ends."""

import random
from collections import Counter

import pytest

from orchestrator.solvers import SolverProcess
from orchestrator.spec.problem import AccuracyGoal, Ask, Evaluation, Problem, Training
from search_spaces import Point, Real, Space
from tests.orchestrator import _solving

SD, TOLERANCE, REPEATS = 0.004, 0.01, 4


def cost(point: Point) -> float:
    return _solving.cost_of_accuracy(point).objective


def score(point: Point, replicate: int) -> float:
    """A training's accuracy: the truth, and noise that is its own."""
    noise = random.Random(f"{sorted(point.items())} {replicate}").gauss(0, SD)
    return 0.87 - _solving.cost_of_accuracy(point).constraints[0] + noise


def problem(block: int, space: Space = _solving.GRID, repeats: int = REPEATS) -> Problem:
    start = space.point(dict.fromkeys(space.names, 1))
    known = tuple(Training(start, replicate, score(start, replicate)) for replicate in range(3))
    bound = sum(one.score or 0 for one in known) / 3 - TOLERANCE
    goal = AccuracyGoal(start, bound, TOLERANCE, 0.975, 1000, 0.0, repeats, known)
    costs = lambda points: [cost(point) for point in points]  # noqa: E731 - a field of the problem
    return Problem(space, start, block, 1, version=2, goal=goal, costs=costs)


def play(asked: Problem, trainings: int) -> list[list[Ask]]:
    """Return the blocks that the solver asks, until it is done or has had so many trainings."""
    blocks: list[list[Ask]] = []
    assert asked.goal is not None
    with SolverProcess("nomad", asked, think_seconds=60) as solver:
        while sum(map(len, blocks)) < trainings and (block := solver.ask()) is not None:
            blocks.append(block)
            missed = [asked.goal.bound - score(ask.point, ask.replicate) for ask in block]
            solver.tell([Evaluation(cost(ask.point), (m,)) for ask, m in zip(block, missed, strict=True)])
    return blocks


@pytest.mark.parametrize("block", [1, 4, 8])
def test_blocks_are_full_and_no_training_is_asked_twice(block: int) -> None:
    blocks = play(problem(block), 32)
    assert {len(asks) for asks in blocks} == {block}
    asked = [(ask.point, ask.replicate) for asks in blocks for ask in asks]
    assert max(Counter(asked).values()) == 1


def test_a_repeat_is_asked_after_the_result_that_it_repeats() -> None:
    asked = problem(4)
    assert asked.goal is not None
    known = {(asked.start, replicate) for replicate in range(3)}
    for block in play(asked, 40):
        for ask in block:
            assert ask.replicate == 0 or (ask.point, 0) in known
            assert ask.point != asked.start or ask.replicate > 2, "those of the base are known"
        known |= {(ask.point, ask.replicate) for ask in block}
    assert any(replicate for point, replicate in known if point != asked.start)


def test_no_network_as_large_as_the_base_is_asked() -> None:
    asked = problem(1)
    [star] = [play(asked, 4)]
    for block in play(asked, 24):
        assert all(cost(ask.point) < 1 or ask.point == asked.start for ask in block)
    assert [ask.point for [ask] in star] == [
        asked.space.point({"depth": 0.625, "width": 1}),
        asked.space.point({"depth": 1, "width": 0.59375}),
        asked.space.point({"depth": 0.75, "width": 0.75}),
        star[3][0].point,
    ]


def test_it_ends_when_nothing_cheaper_is_left() -> None:
    space = Space((Real("depth", 0.75, 1.0, granularity=0.125), Real("width", 0.75, 1.0, granularity=0.25)))
    blocks = play(problem(1, space, repeats=1), 100)
    assert 3 <= len(blocks) < 20
    asked = {ask.point for block in blocks for ask in block}
    best = min(
        (point for point in asked if len([1 for b in blocks for a in b if a.point == point]) > 1), key=cost
    )
    unasked = [point for point in space if point not in asked and cost(point) < cost(best)]
    assert unasked == []

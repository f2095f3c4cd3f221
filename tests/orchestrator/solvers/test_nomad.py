"""What NOMAD needs that other solvers do not (docs/solver-notes.md)."""

import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.solvers import SolverDied, SolverProcess
from orchestrator.solvers._history import AnswerHistory
from orchestrator.solvers.nomad import MadsSteps, _choose_centre
from orchestrator.spec.problem import Evaluation, Problem
from search_spaces import Choice, Integer, Point, Space
from tests.orchestrator import _solving
from tests.orchestrator._solving import flat, questions


def test_where_nothing_succeeds_the_search_ends_with_what_to_do() -> None:
    with pytest.raises(
        SolverDied, match="the start and 20 other points all failed; see why in the trials' logs"
    ):
        questions("nomad", _solving.grid(batch_size=4), lambda _: Evaluation.failure(), evaluations=100)


def test_without_pynomad_the_message_says_how_to_get_it() -> None:
    hide = "import sys; sys.modules['PyNomad'] = None"
    run = "from orchestrator.solvers.__main__ import main; main('nomad')"
    command = [sys.executable, "-P", "-c", f"{hide}\n{run}"]
    with (
        SolverProcess("nomad", _solving.grid(), command=command) as solver,
        pytest.raises(SolverDied, match=r"solver nomad needs PyNomad.*Run `pip install PyNomadBBO`"),
    ):
        solver.ask()


def test_what_nomad_prints_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "solver.log"
    questions("nomad", _solving.grid(), _solving.cost_of_accuracy, evaluations=5, log=log)
    assert "BBE OBJ" in log.read_text()


def test_an_infeasible_start_is_led_to_feasible_points() -> None:
    start = _solving.GRID.point({"depth": 0.5, "width": 0.25})
    problem = replace(_solving.grid(batch_size=2), start=start)
    asked = flat(questions("nomad", problem, _solving.cost_of_accuracy, evaluations=80))
    answers = [_solving.cost_of_accuracy(point) for point in asked]
    assert not answers[0].feasible
    assert any(answer.feasible for answer in answers)


def test_a_finite_space_is_searched_to_its_last_point_in_runs_that_begin_again(tmp_path: Path) -> None:
    space = Space((Integer("depth", 1, 4), Integer("width", 1, 12)))
    problem = Problem(space, space.point({"depth": 4, "width": 12}), batch_size=4)
    log = tmp_path / "solver.log"

    def evaluate(point: Point) -> Evaluation:
        return Evaluation(abs(float(point["depth"]) - 2) + abs(float(point["width"]) - 5))

    asked = flat(questions("nomad", problem, evaluate, evaluations=10_000, log=log))
    assert space.point({"depth": 2, "width": 5}) in asked[:24]
    assert len(asked) == space.size
    assert log.read_text().count("termination criterion is reached") >= 2


def test_the_poll_over_categories_is_every_other_value_of_one_of_them() -> None:
    space = Space((Choice("kind", ("a", 1, True)), Choice("size", (1, 2, 3), ordered=True)))
    best = space.point({"kind": 1, "size": 2})
    problem = Problem(space, best)
    answers = AnswerHistory(problem, lambda points: [Evaluation(1.0) for _ in points])
    neighbours = MadsSteps(problem, answers, random.Random(0)).category_neighbours(best)
    assert neighbours == [space.point({"kind": "a", "size": 2}), space.point({"kind": True, "size": 2})]


def test_a_space_of_categories_alone_is_searched_without_nomads_poll() -> None:
    space = Space(tuple(Choice(name, ("a", "b", "c")) for name in "xyzuv"))
    problem = Problem(space, space.point(dict.fromkeys("xyzuv", "a")), batch_size=2)

    def evaluate(point: Point) -> Evaluation:
        return Evaluation(1.0 + sum(point[name] != "c" for name in "xyzuv"))

    asked = flat(questions("nomad", problem, evaluate, evaluations=60))
    assert space.point(dict.fromkeys("xyzuv", "c")) in asked


def test_the_last_stair_of_categories_is_taken_by_two_changes_at_once() -> None:
    """Each single cheaper change of the start misses the bound; one pair of changes keeps it."""
    names = "xyzuvw"
    space = Space(tuple(Choice(name, ("a", "b", "c")) for name in names))
    start = space.point(dict.fromkeys(names, "a"))
    stair = space.point({**start, "y": "b", "v": "c"})
    costs = {point: 9.0 - sum(point[name] != "a" for name in names) for point in space}
    problem = Problem(space, start, 2, 1, version=2, costs=lambda points: [costs[point] for point in points])

    def evaluate(point: Point) -> Evaluation:
        return Evaluation(costs[point], (-0.1 if point in (start, stair) else 1.0,))

    answers = AnswerHistory(problem, lambda points: [evaluate(point) for point in points])
    answers.ask([start, *(space.sample(random.Random(seed)) for seed in range(4))])
    assert answers.best() == start
    MadsSteps(problem, answers, random.Random(0)).polish()
    assert answers.best() == stair
    assert len(answers) <= 5 + 12 + 60, "one and two changes, and nothing else"


def test_blocks_are_full_although_a_poll_is_small() -> None:
    problem = _solving.grid(batch_size=8)  # whose poll has 4 points
    asked = questions("nomad", problem, _solving.cost_of_accuracy, evaluations=64)
    assert sum(map(len, asked)) / (8 * len(asked)) > 0.8


LINE = Space((Integer("n", 0, 20),))


def test_a_poll_goes_around_the_ends_of_a_front_and_then_around_its_widest_gap() -> None:
    front = [LINE.point({"n": n}) for n in (0, 1, 2, 7, 20)]
    problem = Problem(LINE, front[0], objectives=2)
    answers = AnswerHistory(
        problem, lambda points: [Evaluation(float(p["n"]), others=(-float(p["n"]),)) for p in points]
    )
    answers.ask(front)
    assert answers.front() == front
    polled = Counter[Point]()
    for _ in front:
        polled[_choose_centre(answers, front, polled)] += 1
    assert [point["n"] for point in polled] == [0, 20, 7, 2, 1]


def test_the_front_of_a_finite_space_is_complete_before_the_search_ends() -> None:
    space = Space((Integer("depth", 1, 5), Integer("width", 1, 8)))
    problem = Problem(space, space.point({"depth": 5, "width": 8}), batch_size=4, objectives=2)

    def evaluate(point: Point) -> Evaluation:
        depth, width = float(point["depth"]), float(point["width"])
        return Evaluation(depth * width**2, others=(1 / depth + 1 / width,))

    asked = flat(questions("nomad", problem, evaluate, evaluations=10_000))
    assert len(asked) == len(set(asked)) == space.size


def test_the_answers_keep_the_front_of_what_is_feasible_and_each_value_once() -> None:
    def answer(point: Point) -> Evaluation:
        n = int(point["n"])
        return Evaluation(float(n // 2), (n - 12.5,), others=(20.0 - n // 2 if n != 6 else 30.0,))

    problem = Problem(LINE, LINE.point({"n": 0}), constraints=1, objectives=2)
    answers = AnswerHistory(problem, lambda points: [answer(point) for point in points])
    answers.ask([LINE.point({"n": 15}), LINE.point({"n": 14})])
    assert [point["n"] for point in answers.front()] == [14], "nothing is feasible yet"
    answers.ask([LINE.point({"n": n}) for n in (3, 2, 6, 8, 12)])
    assert [point["n"] for point in answers.front()] == [3, 8, 12]

"""What every solver must do. A new file in orchestrator/solvers is held to it by existing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.samplers import BaseSampler

from orchestrator import solvers
from orchestrator.solvers import _optuna
from orchestrator.solvers._surrogate import front_of
from orchestrator.spec.problem import VERSION, Evaluation, Problem
from search_spaces import Choice, Integer, Point, Space
from tests.orchestrator import _solving
from tests.orchestrator._solving import flat, questions
from tests.thinned import rest_slow

SLOW = ("gp",)  # a second a point: `make test-slow` holds these to everything, the default run to little
each_solver = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in solvers.names()]
)
each_of_two_objectives = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW))
        for name in solvers.names()
        if solvers.most_objectives(name) > 1
    ],
)
every_solver = pytest.mark.parametrize("name", solvers.names())


@pytest.fixture(autouse=True)
def warnings_are_errors_in_solvers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")


def test_the_solvers_are_the_files_of_the_folder() -> None:
    assert {"cmaes", "gp", "local", "nomad", "nsgaii", "random", "tpe"} <= set(solvers.names())
    assert not any(name.startswith("_") for name in solvers.names())


def test_an_unknown_solver_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=f"no solver is named 'simplex'; choose one of {', '.join(solvers.names())}"
    ):
        solvers.load("simplex")


@every_solver
def test_a_solver_says_which_libraries_its_points_depend_on(name: str) -> None:
    assert all(isinstance(distribution, str) for distribution in solvers.load(name).REQUIRES)
    assert solvers.requirements(name) == solvers.load(name).REQUIRES


@every_solver
def test_a_solver_is_asked_how_many_objectives_it_takes_without_its_import(name: str) -> None:
    assert solvers.most_objectives(name) == getattr(solvers.load(name), "MOST_OBJECTIVES", 1)


def test_a_solver_whose_constants_are_computed_is_refused_with_how_to_write_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "computed.py").write_text('REQUIRES = tuple(["numpy"])\n')
    monkeypatch.setattr(solvers, "__path__", [*solvers.__path__, str(tmp_path)])
    with pytest.raises(ValueError, match=r"REQUIRES of the solver computed cannot be read .* write literals"):
        solvers.requirements("computed")


def test_a_solver_says_how_many_objectives_it_takes() -> None:
    assert {name: solvers.most_objectives(name) for name in ("nomad", "nsgaii", "local")} == {
        "nomad": 2,
        "nsgaii": 2,
        "local": 1,
    }


@each_solver
@pytest.mark.parametrize("batch_size", rest_slow([1, 2, 4], [4]))
def test_a_mixed_space_with_failures_is_searched_from_the_start_in_blocks_of_new_points(
    name: str, batch_size: int
) -> None:
    problem = _solving.mixed(batch_size)
    asked = questions(name, problem, _solving.failing_every_fourth(_solving.distance), evaluations=32)
    assert asked[0][0] == problem.start
    assert max(map(len, asked)) == batch_size
    assert len(flat(asked)) >= 32
    assert len(set(flat(asked))) == len(flat(asked))
    assert {(point["only"], point["held"]) for point in flat(asked)} == {("one", 2.0)}
    assert {type(point["optimizer"]) for point in flat(asked)} <= {str, bool, int, float}


@pytest.mark.parametrize("name", rest_slow(solvers.names(), ["nomad"]))
def test_the_same_answers_bring_the_same_points_in_another_process(name: str) -> None:
    def asked() -> list[list[Point]]:
        answer = _solving.failing_every_fourth(_solving.distance)
        return questions(name, _solving.mixed(2), answer, evaluations=30)

    assert asked() == asked()


@every_solver
@pytest.mark.parametrize("batch_size", rest_slow([1, 3], [3]))
def test_the_start_and_the_hints_come_first_in_blocks_each_once(name: str, batch_size: int) -> None:
    hints = tuple(_solving.GRID.point({"depth": 0.5 + k / 8, "width": 0.75}) for k in range(4))
    problem = replace(_solving.grid(batch_size), hints=(hints[0], _solving.GRID_START, *hints[1:]))
    runs = [questions(name, problem, _solving.cost_of_accuracy, evaluations=8) for _ in range(2)]
    assert runs[0] == runs[1]
    assert flat(runs[0])[:5] == [problem.start, *hints]
    assert len(set(flat(runs[0]))) == len(flat(runs[0])) >= 8
    assert len(runs[0][0]) == batch_size


@each_solver
def test_a_start_that_fails_does_not_end_the_search(name: str) -> None:
    problem = _solving.grid()

    def evaluate(point: Point) -> Evaluation:
        return Evaluation.failure() if point == problem.start else _solving.cost_of_accuracy(point)

    asked = flat(questions(name, problem, evaluate, evaluations=15))
    assert (asked[0], len(asked)) == (problem.start, 15)


@each_solver
def test_the_constraint_is_used(name: str) -> None:
    problem = _solving.grid(batch_size=2)
    asked = flat(questions(name, problem, _solving.cost_of_accuracy, evaluations=60))
    answers = [_solving.cost_of_accuracy(point) for point in asked]
    assert min(answer.objective for answer in answers if answer.feasible) < 0.8 * answers[0].objective


@each_of_two_objectives
@pytest.mark.parametrize("batch_size", rest_slow([1, 4], [4]))
def test_two_objectives_of_a_mixed_space_with_failures_bring_the_same_new_points_again(
    name: str, batch_size: int
) -> None:
    problem = replace(_solving.mixed(batch_size), objectives=2)

    def far_from_two_corners(point: Point) -> Evaluation:
        answer = _solving.distance(point)
        return replace(answer, others=(abs(answer.objective - 20),))

    runs = [
        questions(name, problem, _solving.failing_every_fourth(far_from_two_corners), evaluations=30)
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0][0][0] == problem.start
    assert max(map(len, runs[0])) == batch_size
    assert len(set(flat(runs[0]))) == len(flat(runs[0])) >= 30


@each_of_two_objectives
def test_two_objectives_under_a_constraint_bring_a_front(name: str) -> None:
    problem = replace(_solving.grid(batch_size=2), objectives=2)

    def evaluate(point: Point) -> Evaluation:
        one = _solving.cost_of_accuracy(point)
        missed = one.constraints[0]
        return Evaluation(one.objective, (missed - 0.05,), others=(missed,))

    asked = flat(questions(name, problem, evaluate, evaluations=60))
    answers = [answer for answer in map(evaluate, asked) if answer.feasible]
    values = np.array([(answer.objective, *answer.others) for answer in answers])
    front = front_of(values)
    assert len(front) >= 6
    assert front[0, 0] < 0.5 < 1.2 < front[-1, 0]


@every_solver
def test_a_small_space_is_left_after_no_point_came_twice(name: str) -> None:
    space = Space((Integer("n", 1, 3), Choice("c", ("a", "b"))))
    problem = Problem(space, space.point({"n": 3, "c": "b"}), batch_size=4)
    asked = flat(questions(name, problem, lambda point: Evaluation(float(point["n"])), evaluations=100))
    assert len(set(asked)) == len(asked) <= 6
    assert space.point({"n": 1, "c": "a"}) in asked


@every_solver
def test_a_space_of_one_point_is_asked_about_once(name: str) -> None:
    space = Space((Choice("c", ("only",)),))
    problem = Problem(space, space.point({"c": "only"}))
    assert questions(name, problem, lambda _: Evaluation(1.0), evaluations=9) == [[problem.start]]


LINE = Space((Integer("n", 1, 30),))


def heeding(problem: Problem) -> Problem:
    """The problem with its costs known before training, and a limit that is as well."""

    def allowed(points: Sequence[Point]) -> list[bool]:
        return [float(point["width"]) != 0.5 for point in points]

    def costs(points: Sequence[Point]) -> list[float]:
        return [_solving.cost_of_accuracy(point).objective for point in points]

    return replace(problem, version=VERSION, costs=costs, allowed=allowed)


@each_solver
def test_a_point_that_would_be_skipped_is_not_asked_about_and_blocks_are_full(name: str) -> None:
    asked = questions(name, heeding(_solving.grid(batch_size=3)), _solving.cost_of_accuracy, evaluations=45)
    least = float("inf")
    for block in asked:
        answers = [_solving.cost_of_accuracy(point) for point in block]
        assert all(answer.objective < least for answer in answers)
        least = min([least, *(answer.objective for answer in answers if answer.feasible)])
    assert all(point["width"] != 0.5 for point in flat(asked))
    assert least < 0.8
    if name in ("nomad", "random", "tpe"):
        assert {len(block) for block in asked[:-1]} == {3}


def lengths(points: Sequence[Point]) -> list[float]:
    return [float(point["n"]) for point in points]


@each_solver
def test_a_search_ends_when_nothing_cheaper_is_left(name: str) -> None:
    problem = Problem(LINE, LINE.point({"n": 30}), batch_size=2, version=VERSION, costs=lengths)
    asked = flat(questions(name, problem, lambda point: Evaluation(float(point["n"])), evaluations=100))
    assert LINE.point({"n": 1}) in asked
    assert len(asked) < 30


class Stuck(BaseSampler):
    """Proposes the same point for ever, and counts how often."""

    proposals = 0

    def infer_relative_search_space(self, study: object, trial: object) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: object, trial: object, search_space: object) -> dict[str, Any]:
        self.proposals += 1
        return {}

    def sample_independent(self, study: object, trial: object, name: str, of: Any) -> Any:
        return of.low


def test_a_sampler_that_is_stuck_where_all_is_screened_is_not_asked_again_and_again() -> None:
    asked = 0

    class Enough(Exception):
        pass

    def screened(points: list[Point]) -> list[Evaluation]:
        nonlocal asked
        asked += len(points)
        if asked == 200:
            raise Enough
        return [Evaluation(1.0, (1.0,), screened=True) for _ in points]

    sampler = Stuck()
    with pytest.raises(Enough):
        _optuna.search(_solving.grid(), screened, sampler, draws=20)
    assert sampler.proposals < 50 * 20 + 200 * 2

"""The model that `nomad` searches with: what it learns, and what it must not."""

import itertools
import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from orchestrator.solvers._acquisition import SMALL, AcquisitionCandidates
from orchestrator.solvers._earlier import earlier_mean
from orchestrator.solvers._gaussian_process import fit_process, squash
from orchestrator.solvers._history import AnswerHistory
from orchestrator.solvers._surrogate import Surrogate
from orchestrator.spec.problem import Evaluation, Problem, Training
from search_spaces import Choice, Integer, Point, Real, Space
from tests.orchestrator import _solving

LINE = Space((Integer("n", 0, 40),))


def answered(problem: Problem, answer: Callable[[Point], Evaluation], points: list[Point]) -> AnswerHistory:
    answers = AnswerHistory(problem, lambda asked: [answer(point) for point in asked])
    answers.ask(points)
    return answers


def on_line(*numbers: int) -> list[Point]:
    return [LINE.point({"n": n}) for n in numbers]


def promising(
    answers: AnswerHistory, problem: Problem, count: int = 1, pending: tuple[Point, ...] = ()
) -> list[Point]:
    return Surrogate(problem, answers).propose(random.Random(1), pending, count)


def test_a_process_passes_through_smooth_values_and_doubts_itself_between_them() -> None:
    places = np.linspace(0, 1, 12)[:, None]
    process = fit_process(places, np.sin(5 * places[:, 0]), np.zeros(1, dtype=np.intp), None, 30)
    mean, spread = process.predict(np.array([[0.5], [3.0]]))
    assert mean[0] == pytest.approx(np.sin(2.5), abs=0.02)
    assert spread[1] > 10 * spread[0]


def test_a_variable_that_does_not_matter_gets_a_longer_length() -> None:
    places = np.random.default_rng(0).random((30, 2))
    process = fit_process(places, np.sin(6 * places[:, 0]), np.arange(2), None, 30)
    assert process.logs[1] > process.logs[0] + 1


def test_believing_what_it_expects_leaves_the_mean_and_removes_the_doubt() -> None:
    places = np.array([[0.0], [0.3], [1.0]])
    process = fit_process(places, np.array([1.0, 2.0, 0.5]), np.zeros(1, dtype=np.intp), None, 10)
    new = np.array([[0.7]])
    told = process.condition_on_expected(new)
    assert told.predict(new)[0] == pytest.approx(process.predict(new)[0], abs=0.02)
    assert told.predict(new)[1] < 0.2 * process.predict(new)[1]


def test_the_least_point_of_a_valley_is_proposed_after_a_few() -> None:
    problem = Problem(LINE, LINE.point({"n": 0}))

    def valley(point: Point) -> Evaluation:
        return Evaluation(1.0 + (float(point["n"]) - 23) ** 2)

    answers = answered(problem, valley, on_line(0, 8, 16, 32, 40))
    for _ in range(4):
        answers.ask(promising(answers, problem))
    assert answers.best() == LINE.point({"n": 23})


def test_points_of_one_block_are_new_distinct_and_apart_from_the_pending_ones() -> None:
    problem = Problem(LINE, LINE.point({"n": 0}), batch_size=6)
    answers = answered(problem, lambda point: Evaluation(1.0 + float(point["n"])), on_line(10, 20, 30))
    pending = tuple(on_line(9, 0))
    chosen = promising(answers, problem, 6, pending)
    assert len({*chosen, *pending, *answers}) == 6 + 2 + 3


def test_a_screened_answer_teaches_no_constraint() -> None:
    """The bound is crossed at 20; screened points above it say that the constraint is just met."""
    problem = Problem(LINE, LINE.point({"n": 40}), constraints=1)

    def answer(screened: bool) -> Callable[[Point], Evaluation]:
        def of(point: Point) -> Evaluation:
            number = float(point["n"])
            if number > 26 and screened:
                return Evaluation(number + 1, (0.0,), screened=True)
            return Evaluation(number + 1, ((20 - number) / 20,))

        return of

    asked = on_line(10, 26, 30, 34, 36, 38, 40)
    [learnt] = promising(answered(problem, answer(screened=True), asked), problem)
    assert 18 <= int(learnt["n"]) <= 22


def test_a_screened_answer_that_is_not_feasible_teaches_no_objective() -> None:
    """Points above 20 are too large; the 1.0 that stands for their error must not be believed."""
    problem = Problem(LINE, LINE.point({"n": 0}), constraints=1)

    def answer(point: Point) -> Evaluation:
        number = float(point["n"])
        too_large = (number / 20 - 1,)
        return (
            Evaluation(1.0, too_large, screened=True)
            if number > 20
            else Evaluation(0.5 - number / 50, too_large)
        )

    [best] = promising(answered(problem, answer, on_line(0, 5, 10, 14, 22, 26, 40)), problem)
    assert 18 <= int(best["n"]) <= 21


def test_where_points_fail_others_are_proposed() -> None:
    problem = Problem(LINE, LINE.point({"n": 20}))

    def answer(point: Point) -> Evaluation:
        number = float(point["n"])
        return Evaluation.failure() if number < 15 else Evaluation(number)

    answers = answered(problem, answer, on_line(20, 16, 40, 14, 12, 8, 4, 0))
    assert int(promising(answers, problem)[0]["n"]) >= 13


def test_a_large_mixed_space_is_sampled_within_its_ranges_and_nearer_to_the_best() -> None:
    problem = _solving.mixed()
    assert problem.space.size is None
    rng = random.Random(0)
    start = [problem.start, *(problem.space.sample(rng) for _ in range(12))]
    answers = answered(problem, _solving.distance, start)
    chosen = promising(answers, problem, 3)
    assert len({*chosen, *answers}) == 3 + len(answers)
    assert (
        min(_solving.distance(point).objective for point in chosen)
        < _solving.distance(answers.best()).objective
    )


def test_two_categories_are_as_far_apart_as_any_other_two() -> None:
    space = Space((Choice("kind", ("a", "b", "c")), Real("rate", 1e-3, 1.0, log=True)))
    points = [space.point({"kind": kind, "rate": 1e-3}) for kind in "abc"]
    candidates = AcquisitionCandidates(space)
    pairs = itertools.combinations(candidates.features(points), 2)
    distances = {float(((one - other) ** 2).sum()) for one, other in pairs}
    assert (space.size, len(distances), candidates.groups.tolist()) == (None, 1, [0, 0, 0, 1])
    assert candidates.features([space.point({"kind": "a", "rate": 1.0})])[0, 3] == pytest.approx(1.0)
    assert SMALL > 5265  # the grid around senet18 is looked through as a whole


def test_squashed_constraints_keep_their_signs_and_their_order() -> None:
    missed = np.array([-3.0, -1e-3, 0.0, 2e-3, 1e-2, 50.0, 4e4])
    sizes = [1e-3, 2e-3, 1e-2, 3.0, 50.0, 4e4]
    squashed, log_slopes = squash(missed)
    assert np.sign(squashed).tolist() == np.sign(missed).tolist()
    assert (np.diff(squashed) > 0).all()
    assert log_slopes == pytest.approx(np.log(1 / np.hypot(missed, np.quantile(sizes, 0.25))).sum())
    assert squash(np.zeros(3))[0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("version", "is_found"), [(1, False), (2, True)])
def test_a_few_diverged_trainings_do_not_hide_where_the_required_accuracy_is_reached(
    version: int, is_found: bool
) -> None:
    """It is reached from 20 on; below 5 the loss explodes."""
    problem = Problem(LINE, LINE.point({"n": 40}), constraints=1, version=version)

    def diverging(point: Point) -> Evaluation:
        number = float(point["n"])
        return Evaluation(number + 1, (1e4 if number < 5 else (20 - number) / 1000,))

    answers = answered(problem, diverging, on_line(40, 0, 3, 8, 12, 16, 24, 30))
    for _ in range(6):
        answers.ask(promising(answers, problem))
    assert (answers.best() == LINE.point({"n": 20})) == is_found


@pytest.mark.parametrize("is_warm", [False, True])
def test_what_an_earlier_study_found_leads_to_the_valley_at_once(is_warm: bool) -> None:
    """There are five valleys. Its scores are of another scale and level."""

    def miss(point: Point) -> float:
        away = float(point["n"]) - 23
        return 1 - math.cos(away * math.pi / 4) / 2 + abs(away) / 80

    earlier = [
        Training(point, replicate, 0.4 - miss(point) / 30)
        for replicate, n in enumerate(range(1, 40, 2))
        for point in on_line(n)
    ]
    problem = Problem(LINE, LINE.point({"n": 0}), version=2, earlier=tuple(earlier) if is_warm else ())
    answers = answered(problem, lambda point: Evaluation(0.1 + miss(point)), on_line(0, 6, 12, 40))
    chosen = int(promising(answers, problem)[0]["n"])
    assert (chosen in range(22, 25)) == is_warm
    expected = earlier_mean(problem, lambda points: np.array([[float(point["n"]) / 40] for point in points]))
    if is_warm:
        assert expected is not None
        assert np.argmax(expected(list(LINE))) in range(22, 25)
    else:
        assert expected is None


@pytest.mark.parametrize("scale", [1.0, 1e299])
def test_objectives_of_any_size_and_sign_are_modelled(scale: float) -> None:
    """Squares of such numbers are infinite, as a warning says, which is an error in tests."""
    problem = Problem(LINE, LINE.point({"n": 20}))

    def answer(point: Point) -> Evaluation:
        return Evaluation(scale * (0.1 * (float(point["n"]) - 14) ** 2 - 3))

    answers = answered(problem, answer, on_line(0, 11, 20, 30, 40))
    assert 10 <= float(promising(answers, problem)[0]["n"]) <= 18

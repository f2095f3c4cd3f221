"""The model of accuracy, and the trainings and the network that are chosen by it."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.solvers import _accuracy_model
from orchestrator.solvers._accuracy_model import AccuracyModel, fit_accuracy
from orchestrator.solvers._next_trainings import (
    choose_next,
    expected_saving,
    find_named,
    log_multipliers,
    star_design,
)
from orchestrator.spec.problem import AccuracyGoal, Ask, Training
from results.analysis.difference import compare
from search_spaces import Choice, Integer, Point, Real, Space, scaling

SPACE = Space((Real("depth", 0.5, 1.5, granularity=0.125), Real("width", 0.25, 1.25, granularity=0.125)))
START = SPACE.point({"depth": 1.0, "width": 1.0})
POINTS = list(SPACE)
COSTS = np.array([float(point["depth"]) * float(point["width"]) ** 2 for point in POINTS])
FEATURES = log_multipliers(START, SPACE)
IMAGES = 4000
SD = 0.006


def at(depth: float, width: float) -> Point:
    return SPACE.point({"depth": depth, "width": width})


def true_accuracy(point: Point) -> float:
    return 0.9 - 0.02 / float(point["depth"]) - 0.03 / float(point["width"])


def train(point: Point, replicate: int, seed: int = 0) -> Training:
    noise = random.Random(f"{seed} {sorted(point.items())} {replicate}").gauss(0, SD)
    return Training(point, replicate, true_accuracy(point) + noise)


def goal_against_base(seed: int = 0, tolerance: float = 0.005) -> AccuracyGoal:
    own = tuple(train(START, replicate, seed) for replicate in range(3))
    bound = sum(one.score or 0.0 for one in own) / 3 - tolerance
    return AccuracyGoal(START, bound, tolerance, 0.95, IMAGES, 0.0, 6, own)


def searched(
    count: int, seed: int = 0, block: int = 1, tolerance: float = 0.005
) -> tuple[AccuracyGoal, list[Training]]:
    """Return the trainings of a search by the model."""
    goal = goal_against_base(seed, tolerance)
    trainings = [train(point, 0, seed) for point in star_design(SPACE, START)]
    while len(trainings) < count:
        model = fit_accuracy(trainings, goal, FEATURES)
        asks = choose_next(model, POINTS, COSTS, block)
        trainings += [train(ask.point, ask.replicate, seed) for ask in asks]
    return goal, trainings


def dense_difference(
    model: AccuracyModel, trainings: Sequence[Training], point: Point
) -> tuple[float, float]:
    """Return mean and error of a difference from the base, from one large normal distribution a part."""
    parts, spread, base = model._parts, model.spread, model.goal.base
    assert base is not None
    logs = parts.surface
    points = [base, point, *(one.point for one in trainings)]
    x = FEATURES(points)
    distances = ((x[:, None] - x[None]) / np.exp(logs[: x.shape[1]])) ** 2
    smooth = 100 + math.exp(logs[-3]) * x @ x.T + math.exp(logs[-2]) * np.exp(-distances / 2).sum(2)
    smooth = smooth + math.exp(logs[-1]) * np.exp(-distances.sum(2) / 2)
    same = np.array([[float(one == other) for other in points] for one in points])
    replicates = [one.replicate for one in trainings]
    shared = np.array([[float(one == other) for other in replicates] for one in replicates])
    values = (np.array([one.score for one in trainings]) - model.centre) / spread
    means, variances = [], []
    for own, noise, rho in zip(parts.own, parts.noise, parts.shared, strict=True):
        joint = smooth + own * same
        joint[2:, 2:] += noise * (rho * shared + (1 - rho) * np.eye(len(trainings)))
        gain = joint[:2, 2:] @ np.linalg.inv(joint[2:, 2:])
        contrast = np.array([-1.0, 1.0])
        means.append(contrast @ gain @ values)
        variances.append(contrast @ (joint[:2, :2] - gain @ joint[2:, :2]) @ contrast)
    mean = parts.weights @ means
    variance = parts.weights @ (np.array(variances) + (np.array(means) - mean) ** 2)
    return float(spread * mean), float(spread * math.sqrt(variance))


def test_a_difference_is_that_of_one_large_normal_distribution() -> None:
    goal, trainings = searched(12)
    model = fit_accuracy(trainings, goal, FEATURES)
    for point in (at(0.5, 1.0), at(0.75, 0.75), trainings[-1].point, at(1.5, 0.25)):
        (mean,), (error,) = model.judge([point])
        expected = dense_difference(model, [*goal.trainings, *trainings], point)
        assert (mean - goal.tolerance, error) == pytest.approx(expected, abs=1e-7)


def test_the_base_differs_from_itself_by_nothing() -> None:
    goal, trainings = searched(8)
    (mean,), (error,) = fit_accuracy(trainings, goal, FEATURES).judge([START])
    assert mean == pytest.approx(goal.tolerance)
    assert error < 1e-5


@pytest.mark.parametrize("overlap", [0.0, 0.2])
def test_networks_that_tell_nothing_of_each_other_are_compared_as_in_a_confirmation(
    monkeypatch: pytest.MonkeyPatch, overlap: float
) -> None:
    monkeypatch.setattr(_accuracy_model, "OWN", (math.log(1e3), 3.0))
    goal = replace(goal_against_base(), overlap=overlap)
    one, others = at(0.5, 1.0), (at(1.0, 0.5), at(0.5, 0.5))
    scores = {START: [0.851, 0.846, 0.854], one: [0.85, 0.853, 0.848, 0.852]}
    scores |= dict(zip(others, ([0.52, 0.53, 0.531], [0.351, 0.346]), strict=True))
    trainings = [Training(point, r, score) for point, own in scores.items() for r, score in enumerate(own)]
    model = fit_accuracy(
        trainings, replace(goal, bound=0.85, trainings=()), lambda points: np.zeros((len(points), 1))
    )
    by_number = {n: dict(enumerate(own)) for n, own in enumerate(scores.values())}
    expected = compare(by_number, 1, 0, IMAGES, 0.855, overlap)
    assert model.probabilities([one])[0] == pytest.approx(expected.probability(goal.tolerance), abs=0.01)
    low, high = model.interval(one)
    assert (low - goal.tolerance, high - goal.tolerance) == pytest.approx(expected.interval(), abs=6e-4)


def test_neither_the_order_of_trainings_nor_the_numbers_of_replicates_matter() -> None:
    goal, trainings = searched(12)
    points = POINTS[::7]
    expected = fit_accuracy(trainings, goal, FEATURES).probabilities(points)
    shuffled = random.Random(0).sample(trainings, len(trainings))
    assert fit_accuracy(shuffled, goal, FEATURES).probabilities(points) == pytest.approx(expected, abs=1e-4)
    later = replace(
        goal, trainings=tuple(replace(one, replicate=one.replicate + 7) for one in goal.trainings)
    )
    moved = [replace(one, replicate=one.replicate + 7) for one in trainings]
    assert fit_accuracy(moved, later, FEATURES).probabilities(points) == pytest.approx(expected, abs=1e-9)


def test_the_trend_tells_of_networks_that_were_never_trained() -> None:
    goal, trainings = searched(16)
    model = fit_accuracy(trainings, goal, FEATURES)
    points = [point for point in POINTS if point not in model.networks]
    mean, error = model.judge(points)
    truth = np.array([true_accuracy(point) for point in points]) - true_accuracy(START) + goal.tolerance
    assert (abs(mean - truth) < 2.5 * error).mean() > 0.9
    assert np.corrcoef(mean, truth)[0, 1] > 0.95


def test_an_exact_bound_has_no_error_of_its_own() -> None:
    goal, trainings = searched(10)
    everything = [*goal.trainings, *trainings]
    exact = replace(goal, base=None, tolerance=0.0, trainings=())
    measured = fit_accuracy(everything, goal, FEATURES)
    model = fit_accuracy(everything, exact, FEATURES)
    assert model.judge([START])[1] > 0.001
    assert model.judge([at(0.5, 1.0)])[1] < measured.judge([at(0.5, 1.0)])[1]


def test_an_expected_training_takes_doubt_and_leaves_the_mean() -> None:
    goal, trainings = searched(9)
    model = fit_accuracy(trainings, goal, FEATURES)
    for ask in (Ask(at(0.625, 1.0)), Ask(trainings[0].point, 1), Ask(START, 3)):
        told = model.condition_on_expected(ask)
        mean, error = model.judge(POINTS)
        assert told.judge(POINTS)[0] == pytest.approx(mean, abs=1e-8)
        assert (told.judge(POINTS)[1] <= error + 1e-9).all()
        assert told.trainings(ask.point) == model.trainings(ask.point) + 1


def test_a_step_of_the_star_is_down_in_each_multiplier_and_then_in_all() -> None:
    space = scaling.space((2, 2, 2, 2), (64, 128, 256, 512), 32)
    star = [tuple(point.values()) for point in star_design(space, scaling.start(space))]
    assert star == [(0.625, 1.0, 1.0), (1.0, 0.59375, 1.0), (1.0, 1.0, 0.625), (0.75, 0.75, 0.75)]


def test_the_star_of_a_space_stays_in_it_and_has_no_point_twice() -> None:
    fixed = Space((Integer("layers", 3, 9), Real("width", 1.0, 1.0), Real("rate", 0.9, 2.0, log=True)))
    start = fixed.point({"layers": 4, "width": 1.0, "rate": 1.0})
    assert [tuple(point.values()) for point in star_design(fixed, start)] == [
        (3, 1.0, 1.0),
        (4, 1.0, 0.9),
        (3, 1.0, 0.9),
    ]


def test_what_is_no_multiplier_is_refused() -> None:
    for variable in (Choice("kind", ("a", "b")), Integer("layers", 0, 3)):
        space = Space((variable,))
        with pytest.raises(ValueError, match="is not a multiplier"):
            log_multipliers(next(iter(space)), space)


def test_a_model_without_a_training_of_the_base_is_refused() -> None:
    goal = replace(goal_against_base(), trainings=(Training(START, 0, None),))
    with pytest.raises(ValueError, match="base"):
        fit_accuracy([train(at(0.5, 1.0), 0)], goal, FEATURES)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(POINTS), st.integers(0, 2), st.none() | st.floats(0.8, 0.86)), max_size=12
    ),
    st.integers(1, 6),
    st.integers(1, 3),
    st.booleans(),
)
def test_what_is_asked_keeps_the_rules(
    drawn: list[tuple[Point, int, float | None]], count: int, repeats: int, has_base: bool
) -> None:
    goal = replace(goal_against_base(), repeats=repeats)
    trainings = [Training(*one) for one in drawn if one[0] != START]
    if not has_base:
        trainings = [*goal.trainings, *trainings]
        goal = replace(goal, base=None, tolerance=0.0, trainings=())
    model = fit_accuracy(trainings, goal, FEATURES)
    asks = choose_next(model, POINTS, COSTS, count)
    cost: Mapping[Point, float] = dict(zip(POINTS, COSTS, strict=True))
    named = find_named(model, POINTS, COSTS)
    best = named or goal.base
    known = {(one.point, one.replicate) for one in (*goal.trainings, *trainings)}
    asked = [(ask.point, ask.replicate) for ask in asks]
    assert len(set(asked)) == len(asked) <= count
    assert not known & set(asked)
    for ask in asks:
        assert 0 <= ask.replicate <= repeats
        assert ask.point not in {one.point for one in trainings if one.score is None}
        assert best is None or ask.point == goal.base or cost[ask.point] < cost[best]
    assert asks == choose_next(fit_accuracy(trainings, goal, FEATURES), POINTS, COSTS, count)


def test_nothing_is_asked_where_nothing_is_cheaper() -> None:
    goal, trainings = searched(5)
    model = fit_accuracy(trainings, goal, FEATURES)
    dearer = [i for i, cost in enumerate(COSTS) if cost >= 1]
    assert choose_next(model, [POINTS[i] for i in dearer], COSTS[dearer], 4) == []
    assert expected_saving(model, [POINTS[i] for i in dearer], COSTS[dearer]) == 0


def test_a_network_is_named_by_more_than_the_training_that_found_it() -> None:
    goal = goal_against_base(tolerance=0.02)
    network = at(1.0, 0.875)
    once = fit_accuracy([Training(network, 0, 0.9)], goal, FEATURES)
    assert once.probabilities([network])[0] > 0.99
    assert find_named(once, POINTS, COSTS) is None
    again = fit_accuracy([Training(network, 0, 0.87), Training(network, 1, 0.87)], goal, FEATURES)
    assert find_named(again, POINTS, COSTS) == network


def test_a_search_ends_near_the_cheapest_network_that_is_as_accurate() -> None:
    goal, trainings = searched(36, block=4, tolerance=0.01)
    named = find_named(fit_accuracy(trainings, goal, FEATURES), POINTS, COSTS)
    assert named is not None
    bound = true_accuracy(START) - goal.tolerance
    best = min(cost for point, cost in zip(POINTS, COSTS, strict=True) if true_accuracy(point) >= bound)
    assert true_accuracy(named) >= bound
    assert COSTS[POINTS.index(named)] < 1.4 * best


def test_an_ask_says_why_it_was_made() -> None:
    goal, trainings = searched(6)
    (ask,) = choose_next(fit_accuracy(trainings, goal, FEATURES), POINTS, COSTS, 1)
    belief = ask.belief
    assert belief is not None
    assert belief["kind"] in ("new", "replicate", "base")
    assert belief["difference_low"] < belief["difference"] < belief["difference_high"]
    assert 0 < belief["probability"] < 1
    assert belief["cost_to_beat"] == 1.0
    assert 0.002 < belief["noise"] < 0.02

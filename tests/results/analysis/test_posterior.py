"""What trainings say of a network: held against chances drawn, and against the textbook's cases."""

import math
import random

import pytest
from scipy import stats

from results.analysis.posterior import believe, believe_number, noisier, pool_noise


def test_probability_and_interval_are_student_t_around_the_mean() -> None:
    trained = [0.91, 0.92, 0.90, 0.93]
    noise = pool_noise([trained], 0.9, 10**12)  # so many images that their prior adds no squares
    belief = believe(trained, noise)
    scale = (sum((a - 0.915) ** 2 for a in trained) / 7 / 4) ** 0.5
    assert belief.freedom == 7, "four of the prior, three of the trainings"
    assert belief.probability(0.91) == pytest.approx(stats.t.sf((0.91 - 0.915) / scale, 7), abs=1e-5)
    assert belief.interval() == pytest.approx(stats.t.interval(0.95, 7, 0.915, scale), abs=1e-5)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e299])
def test_any_number_has_the_t_interval_of_its_own_repeats(scale: float) -> None:
    repeats = [scale * value for value in (-3.0, 1.5, 2.0, -1.0)]
    belief = believe_number(repeats)
    expected = stats.t.interval(0.95, 3, -0.125, stats.sem([-3.0, 1.5, 2.0, -1.0]))
    assert belief.mean == pytest.approx(-0.125 * scale, rel=1e-9, abs=0)
    assert belief.interval() == pytest.approx([scale * end for end in expected], rel=1e-9, abs=0)


def test_any_number_has_no_interval_from_one_training_and_an_empty_one_without_noise() -> None:
    assert all(map(math.isnan, believe_number([7.0]).interval()))
    assert believe_number([7.0, 7.0]).interval() == (7.0, 7.0)


def test_without_replicates_the_noise_is_that_of_the_validation_images() -> None:
    noise = pool_noise([[0.9], [0.5]], 0.9, 1000)
    assert noise.variance == pytest.approx(0.9 * 0.1 / 1000, rel=0.01)
    assert noise.freedom == 4


def test_networks_share_their_spread_but_not_their_means() -> None:
    noise = pool_noise([[0.90, 0.92], [0.50, 0.52], [0.7]], 0.9, 10**12)
    assert noise.variance == pytest.approx(2 * 0.0002 / 6, rel=1e-3)


@pytest.mark.parametrize("accuracy", [-0.1, 0.0, 1.0])
def test_a_bound_of_nothing_or_everything_leaves_some_noise(accuracy: float) -> None:
    noise = pool_noise([], accuracy, 100)
    assert noise.variance > 0
    assert 0 < believe([0.5], noise).probability(0.5) < 1


def test_networks_believed_at_a_level_are_as_often_true() -> None:
    rng = random.Random(1)
    held = []
    for _ in range(2000):
        true = rng.gauss(0.9, 0.02)
        spread = 0.01 * (4 / rng.gammavariate(2, 2)) ** 0.5  # as the prior has it: a chi-squared of 4
        trained = [rng.gauss(true, spread) for _ in range(3)]
        belief = believe(trained, pool_noise([trained], 0.9, 900))
        low, high = belief.interval(0.9)
        held.append(low <= true <= high)
    assert sum(held) / len(held) == pytest.approx(0.9, abs=0.03)


def test_the_interval_of_an_accurate_network_is_no_narrower_for_a_low_bound() -> None:
    noise = pool_noise([], noisier(0.0, 0.88), 1000)
    low, high = believe([0.88], noise).interval()
    assert high - low > 4 * math.sqrt(0.88 * 0.12 / 1000), "a binomial interval, at the least"
    assert noisier(0.9, 0.95) == 0.9

"""The posterior of a difference: held against closed forms, and against simulated trainings."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from results.analysis.difference import (
    BASE,
    Trainings,
    compare,
    compare_numbers,
    contrast_variance,
    least_confirmed,
)
from results.analysis.posterior import VerdictSettings

SD = 0.006


def simulate(
    rng: random.Random, rho: float, replicates: dict[int, range], truth: dict[int, float]
) -> Trainings:
    shared = [rng.gauss(0, math.sqrt(rho)) for _ in range(40)]
    return {
        network: {r: truth[network] + SD * (shared[r] + rng.gauss(0, math.sqrt(1 - rho))) for r in numbers}
        for network, numbers in replicates.items()
    }


def test_many_pairs_come_to_the_textbook_s_paired_t() -> None:
    """The prior's four degrees of freedom vanish among 200 pairs, so the t of the differences is left."""
    rng = np.random.default_rng(3)
    shared = rng.normal(0, SD * math.sqrt(0.6), 200)
    base, other = (0.9 + shared + rng.normal(0, SD * math.sqrt(0.4), 200) for _ in range(2))
    trainings = {BASE: dict(enumerate(base.tolist())), 7: dict(enumerate(other.tolist()))}
    found = compare(trainings, 7, BASE, 2500, 0.9)
    differences = other - base
    low, high = stats.t.interval(0.95, 199, differences.mean(), stats.sem(differences))
    assert found.mean == pytest.approx(differences.mean(), abs=1e-9)
    assert found.interval() == pytest.approx((low, high), rel=0.03, abs=3e-5)
    assert found.pairs == 200
    assert found.shared == pytest.approx(0.6, abs=0.08)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e299])
def test_any_number_is_compared_by_the_paired_t_of_the_replicates_in_common(scale: float) -> None:
    one = {1: 5.0 * scale, 2: -3.0 * scale, 3: 4.0 * scale, 4: 9.0 * scale}
    other = {1: 4.0 * scale, 2: -3.5 * scale, 3: 1.0 * scale, 7: 0.0}
    found = compare_numbers(one, other)
    assert found is not None
    gaps = [1.0, 0.5, 3.0]
    low, high = stats.t.interval(0.95, 2, 1.5, stats.sem(gaps))
    assert found.mean == pytest.approx(1.5 * scale, rel=1e-9, abs=0)
    assert found.interval() == pytest.approx((low * scale, high * scale), rel=1e-9, abs=0)
    assert found.probability() == pytest.approx(1 - stats.ttest_1samp(gaps, 0, alternative="greater").pvalue)
    assert found.pairs == 3
    assert compare_numbers({1: 1.0, 2: 2.0}, {2: 0.0, 3: 1.0}) is None, "one pair tells no noise"


def test_a_difference_without_noise_is_sure_and_none_at_all_is_a_half() -> None:
    ahead = compare_numbers({1: 3.0, 2: 4.0}, {1: 1.0, 2: 2.0})
    level = compare_numbers({1: 3.0, 2: 4.0}, {1: 3.0, 2: 4.0})
    assert ahead is not None
    assert level is not None
    assert ahead.probability() == pytest.approx(1.0)
    assert level.probability() == 0.5


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_intervals_of_few_trainings_hold_the_truth_about_as_often_as_they_say(rho: float) -> None:
    rng, held = random.Random(11), 0
    truth = {BASE: 0.9, 1: 0.893, 2: 0.905, 3: 0.901}
    for _ in range(300):
        replicates = {BASE: range(4), 1: range(1, 3), 2: range(1, 4), 3: range(1, 5)}
        found = compare(simulate(rng, rho, replicates, truth), 3, BASE, 2500, 0.9)
        low, high = found.interval()
        held += low <= 0.001 <= high
    assert held >= 0.91 * 300


@settings(deadline=None, max_examples=40)
@given(
    accuracies=st.lists(st.floats(0.05, 0.95), min_size=6, max_size=6),
    own=st.sets(st.integers(0, 5), min_size=1, max_size=3),
    base=st.sets(st.integers(0, 5), min_size=1, max_size=3),
    margins=st.tuples(st.floats(0, 0.2), st.floats(0, 0.2)),
)
def test_a_difference_changes_its_sign_with_the_networks_and_grows_with_the_margin(
    accuracies: list[float], own: set[int], base: set[int], margins: tuple[float, float]
) -> None:
    known = iter(accuracies)
    trainings = {9: {r: next(known) for r in own}, BASE: {r: next(known) for r in base}}
    one, other = compare(trainings, 9, BASE, 100, 0.5), compare(trainings, BASE, 9, 100, 0.5)
    assert one.mean == pytest.approx(-other.mean, abs=1e-9)
    assert one.probability() == pytest.approx(1 - other.probability(), abs=1e-6)
    assert one.probability(min(margins)) <= one.probability(max(margins)) + 1e-12
    low, high = one.interval()
    assert low < one.mean < high
    assert one.pairs == len(own & base)


def test_overlapping_draws_widen_a_difference_as_nadeau_and_bengio_have_it() -> None:
    rng = random.Random(5)
    trainings = simulate(rng, 0.4, {BASE: range(1, 7), 1: range(1, 7)}, {BASE: 0.9, 1: 0.9})
    apart, folds = (compare(trainings, 1, BASE, 100, 0.9, overlap) for overlap in (0.0, 1 / 6))
    assert folds.errors / apart.errors == pytest.approx(np.full(20, math.sqrt((1 / 6 + 1 / 5) * 6)))
    assert folds.mean == pytest.approx(apart.mean)


@pytest.mark.parametrize("images", [25, 1000])
def test_the_least_that_is_confirmed_is_confirmed_about_every_second_time(images: int) -> None:
    """A network that is better by just that passes where the repeats' mean is above its truth."""
    sd, rng, confirmed = math.sqrt(0.9 * 0.1 / images), random.Random(2), 0
    verdicts = VerdictSettings(is_paired=True, has_base=True)
    for _ in range(200):
        shared = [rng.gauss(0, math.sqrt(1 / 3)) for _ in range(7)]
        base = {r: 0.9 + sd * (shared[r] + rng.gauss(0, math.sqrt(2 / 3))) for r in range(7)}
        least = least_confirmed(list(base.values())[:3], images, verdicts, 6)
        own = {r: 0.9 + least + sd * (shared[r] + rng.gauss(0, math.sqrt(2 / 3))) for r in range(1, 7)}
        found = compare({1: own, BASE: base}, 1, BASE, images, 0.9)
        confirmed += found.probability() >= verdicts.needed
    assert 70 <= confirmed <= 130


@given(pairs=st.integers(1, 8), own=st.integers(1, 8), base=st.integers(1, 8), rho=st.floats(0, 0.95))
def test_the_variance_of_pairs_and_of_independent_trainings(
    pairs: int, own: int, base: int, rho: float
) -> None:
    assert contrast_variance(range(pairs), range(pairs), rho) == pytest.approx(2 * (1 - rho) / pairs)
    alone = contrast_variance(range(own), range(100, 100 + base), rho)
    assert alone == pytest.approx(1 / own + 1 / base)
    assert contrast_variance(range(own), range(base), 0.0) == pytest.approx(1 / own + 1 / base)

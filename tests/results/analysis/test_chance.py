"""Whether an accuracy could be chance: the exact binomial test, against another program's."""

import pytest
from hypothesis import given
from hypothesis import strategies as any_of
from scipy.stats import binomtest

from results.analysis.chance import Chance, compare_with_chance

SHARES = any_of.floats(0.01, 1.0)


@given(
    any_of.lists(any_of.tuples(any_of.integers(1, 5000), any_of.floats(0, 1)), min_size=1, max_size=4), SHARES
)
def test_trainings_are_pooled_and_their_probability_is_exact(
    told: list[tuple[int, float]], most_frequent: float
) -> None:
    counts = [(round(fraction * images), images) for images, fraction in told]
    found = compare_with_chance((right / images, images, most_frequent) for right, images in counts)
    right, images = map(sum, zip(*counts, strict=True))
    assert found.images == images
    assert found.accuracy == pytest.approx(right / images)
    exact = binomtest(right, images, min(found.most_frequent, 1.0), alternative="greater").pvalue
    assert found.p == pytest.approx(exact, rel=1e-6, abs=1e-12)


def test_the_most_frequent_class_is_that_of_all_images_together() -> None:
    found = compare_with_chance([(0.5, 100, 0.2), (0.5, 300, 0.6)])
    assert found.most_frequent == pytest.approx(0.5)
    assert found.is_reached, "half of 400 right, where half are of one class"
    assert not compare_with_chance([(0.5, 100, 0.2), (0.5, 300, 0.5)]).is_reached


@pytest.mark.parametrize(("right", "at_chance"), [(0, True), (100, True), (115, True), (117, False)])
def test_of_a_thousand_images_of_ten_classes_117_must_be_right(right: int, at_chance: bool) -> None:
    found = compare_with_chance([(right / 1000, 1000, 0.1)])
    assert found.is_reached is at_chance
    assert Chance(**found.to_json()) == found


def test_a_network_that_is_always_right_is_at_chance_if_there_is_one_class_to_see() -> None:
    assert compare_with_chance([(1.0, 50, 1.0)]).is_reached

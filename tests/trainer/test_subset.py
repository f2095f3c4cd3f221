import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer import subset
from trainer.config import Subset
from trainer.errors import InvalidConfig

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(7), 40))


@given(st.integers(1, 130), st.integers(1, 130), st.integers(0, 2**63 - 1))
def test_images_are_balanced_and_disjoint(train: int, validation: int, seed: int) -> None:
    drawn = subset.draw(LABELS, 7, Subset(train, validation, seed))
    assert [len(part) for part in drawn] == [train, validation]
    assert len(np.unique(np.concatenate(drawn))) == train + validation
    for part in drawn:
        counts = np.bincount(LABELS[part], minlength=7)
        assert counts.max() - counts.min() <= 1


def test_the_same_seed_draws_the_same_images_and_another_does_not() -> None:
    once, again, other = (subset.draw(LABELS, 7, Subset(70, 70, seed)) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    assert not (once[0] == other[0]).all()


def test_more_training_images_leave_the_validation_images_as_they_were() -> None:
    _, few = subset.draw(LABELS, 7, Subset(14, 21, 5))
    _, many = subset.draw(LABELS, 7, Subset(140, 21, 5))
    assert set(few) == set(many)


def test_too_few_images_of_a_class_are_refused_with_numbers() -> None:
    with pytest.raises(
        InvalidConfig, match=r"class 0 has 40 training images, but 210 for training and 140 .* need 50"
    ):
        subset.draw(LABELS, 7, Subset(210, 140, 0))


@given(st.integers(1, 40), st.integers(0, 20), st.integers(1, 5), st.integers(0, 2**63 - 1))
def test_the_parts_of_one_seed_are_disjoint(train: int, validation: int, parts: int, seed: int) -> None:
    drawn = (
        [
            image
            for part in range(parts)
            for half in subset.draw(LABELS, 7, Subset(train, validation, seed, part))
            for image in half
        ]
        if parts * (train // 7 + validation // 7 + 2) <= 40
        else []
    )
    assert len(set(drawn)) == len(drawn)


def test_the_first_part_is_the_draw_without_parts() -> None:
    once, again = subset.draw(LABELS, 7, Subset(70, 70, 1)), subset.draw(LABELS, 7, Subset(70, 70, 1, part=0))
    assert all((a == b).all() for a, b in zip(once, again, strict=True))


def test_a_part_that_is_not_there_is_refused_with_how_many_there_are() -> None:
    with pytest.raises(InvalidConfig, match="make 2 disjoint parts of 20; part 2 is not among them"):
        subset.draw(LABELS, 7, Subset(70, 70, 0, part=2))


def test_the_competition_draws_the_classes_equally_often_and_keeps_the_others() -> None:
    order = subset.order_competition_first(LABELS, 7, Subset(7, 7, 3), 70)
    assert sorted(order) == list(range(len(LABELS)))
    assert set(np.bincount(LABELS[order[:70]], minlength=7)) == {10}
    other = subset.order_competition_first(LABELS, 7, Subset(7, 7, 3, part=1), 70)
    assert set(order[:70]) != set(other[:70])


def test_a_test_set_with_a_rare_class_is_drawn_as_it_comes() -> None:
    labels = np.array([0] * 50 + [1] * 3)
    order = subset.order_competition_first(labels, 2, Subset(7, 7, 3), 20)
    assert sorted(order) == list(range(53))

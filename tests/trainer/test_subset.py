from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.configs import trial
from trainer import config, subset
from trainer.config import Subset
from trainer.errors import InvalidConfig

Sizes = list[int]
SIZES = st.lists(st.integers(2, 60), min_size=2, max_size=12)
SEEDS = st.integers(0, 2**63 - 1)
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


def labels_of(sizes: Sizes) -> subset.Indices:
    return np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))


@st.composite
def proportional(draw: st.DrawFn) -> tuple[Sizes, Subset]:
    """Classes of at least two images, and a draw with at least an image of each for both purposes."""
    sizes = draw(SIZES)
    validation = draw(st.integers(len(sizes), sum(sizes) - len(sizes)))
    train = draw(st.integers(len(sizes), sum(sizes) - validation))
    return sizes, Subset(train, validation, draw(SEEDS), draw="proportional")


@given(proportional())
def test_a_proportional_draw_has_every_class_by_its_share_and_no_image_twice(
    asked: tuple[Sizes, Subset],
) -> None:
    sizes, wanted = asked
    labels = labels_of(sizes)
    train, validation = subset.draw(labels, len(sizes), wanted)
    assert (len(train), len(validation)) == (wanted.train, wanted.validation)
    assert len(np.unique(np.concatenate([train, validation]))) == wanted.train + wanted.validation
    counts = [np.bincount(labels[part], minlength=len(sizes)) for part in (train, validation)]
    assert all(
        told.tolist() == drawn.tolist()
        for told, drawn in zip(subset.share(sizes, wanted), counts, strict=True)
    )
    left = np.array(sizes) - counts[1]
    for count, of, most in ((counts[1], np.array(sizes), np.array(sizes) - 1), (counts[0], left, left)):
        exact = count.sum() * of / of.sum()
        assert count.min() >= 1
        is_free = (exact >= 1) & (exact <= most)
        if is_free.all():
            assert (np.abs(count - exact) < 1).all()
        assert (count[exact < 1] == 1).all()


@given(proportional())
def test_a_proportional_draw_of_one_seed_is_one_draw(asked: tuple[Sizes, Subset]) -> None:
    sizes, wanted = asked
    once, again = (subset.draw(labels_of(sizes), len(sizes), wanted) for _ in range(2))
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    fewer = subset.draw(labels_of(sizes), len(sizes), replace(wanted, train=len(sizes)))
    assert set(fewer[1]) == set(once[1])


@given(st.integers(1, 20), st.integers(1, 20), SEEDS)
def test_equal_classes_that_divide_are_drawn_from_alike_by_both_draws(
    train: int, validation: int, seed: int
) -> None:
    wanted = Subset(7 * train, 7 * validation, seed)
    once, other = (subset.draw(LABELS, 7, one) for one in (wanted, replace(wanted, draw="proportional")))
    assert all((a == b).all() for a, b in zip(once, other, strict=True))


@given(SIZES, st.integers(2, 12), SEEDS)
def test_folds_part_the_whole_set_with_each_class_in_its_share(sizes: Sizes, folds: int, seed: int) -> None:
    labels, whole = labels_of(sizes), sum(sizes)
    folds = min(folds, whole)
    held_out = []
    for fold in range(folds):
        count = whole // folds + (fold < whole % folds)
        train, validation = subset.draw(
            labels, len(sizes), Subset(whole - count, count, seed, folds=folds, fold=fold)
        )
        assert sorted([*train, *validation]) == list(range(whole))
        assert (np.bincount(labels[train], minlength=len(sizes)) >= 1).all()
        in_fold = np.bincount(labels[validation], minlength=len(sizes))
        assert (np.abs(in_fold - np.array(sizes) / folds) < 1).all()
        held_out += list(validation)
    assert sorted(held_out) == list(range(whole))


@pytest.mark.parametrize(
    ("sizes", "wanted", "said"),
    [
        ((60, 1), {"train": 40, "validation": 9}, "class b has 1 training image, but at least 2 are needed"),
        ((60, 1), {"train": 51, "validation": 10, "folds": 6}, "class b has 1 training image, but at least"),
        (
            (60, 9),
            {"train": 60, "validation": 10},
            "the 2 classes have 69 training images in all, but 60 for",
        ),
        (
            (60, 9),
            {"train": 60, "validation": 1},
            "1 validation images are too few for 2 classes: class b would",
        ),
        (
            (60, 9),
            {"train": 34, "validation": 0, "part": 2},
            "class a has 60 training images, which make 2 disj",
        ),
        (
            (60, 9),
            {"train": 60, "validation": 9, "folds": 6},
            "fold 0 of 6 of 69 images has train 57 and valid",
        ),
        ((60, 9), {"train": 1, "validation": 68, "folds": 70}, "69 training images do not make 70 folds"),
    ],
)
def test_a_draw_that_is_not_possible_names_the_class_and_the_numbers(
    sizes: tuple[int, int], wanted: dict[str, int], said: str
) -> None:
    given = {"seed": 0, "draw": "proportional", **wanted}
    asked = config.from_json(trial(subset=given, test=True)).subset
    with pytest.raises(InvalidConfig, match=said):
        subset.draw(labels_of(list(sizes)), 2, asked, ("a", "b"))
    with pytest.raises(InvalidConfig, match=said):
        subset.share(sizes, asked, ("a", "b"))

"""The scores that a search may seek, and the noise of those that average over classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.scores import (
    ACCURACY,
    LARGEST,
    SCORES,
    effective_validation_images,
    number_of,
    sought_score,
    worst_classes,
)

BALANCED, F1 = SCORES["balanced_accuracy"], SCORES["macro_f1"]
COUNTS = (600, 250, 100, 50)


def test_a_study_without_a_metric_in_its_settings_seeks_accuracy() -> None:
    assert sought_score({}) == ACCURACY
    assert sought_score({"metric": "macro_f1"}) == F1


def test_a_text_about_accuracy_becomes_one_about_the_score_each_word_once() -> None:
    text = "Accuracy by width; likely to be more accurate, or to reach the required accuracy"
    assert ACCURACY.reword(text) == text
    assert BALANCED.reword(text) == (
        "Balanced accuracy by width; likely to be better in balanced accuracy, or to reach the required "
        "balanced accuracy"
    )
    assert F1.reword("required accuracy") == "required macro F1"


def test_a_script_s_number_is_sought_by_its_name_with_its_direction_and_shown_as_it_is() -> None:
    loss = sought_score({"aim": {"minimise": "loss", "maximise": None, "limits": {}}})
    reward = sought_score({"aim": {"minimise": None, "maximise": "reward", "limits": {}}})
    assert (loss.goal, reward.goal) == ("lowest loss", "highest reward")
    assert (loss.column, loss.field, loss.axis, ACCURACY.axis) == ("score", "score", "loss", "accuracy (%)")
    assert sought_score({"aim": {"minimise": "macs", "maximise": "accuracy"}}) == ACCURACY
    assert [loss.text(value) for value in (1234.5, -0.25, 1e300, 0, None)] == [
        *("1234.5", "-0.25", "1e+300", "0", "-")
    ]
    assert loss.interval_text(-3.0, 2.5) == "[-3, 2.5]"
    assert ACCURACY.interval_text(-0.1, 0.5) == "[0.00, 50.00]"
    assert loss.reword("more accurate than the start") == "better in loss than the start"


@given(st.floats(-LARGEST, LARGEST), st.floats(-LARGEST, LARGEST))
def test_of_two_numbers_the_better_one_ranks_higher_and_has_the_lower_loss(one: float, other: float) -> None:
    for score, is_better in (
        (number_of("loss", None), one < other),
        (number_of(None, "reward"), one > other),
    ):
        assert score is not None
        assert (score.merit(one) > score.merit(other)) == is_better
        assert (score.loss(one) < score.loss(other)) == is_better
        assert score.merit(one) > score.merit(None), "a failed training is the worst"
        assert score.merit(score.merit(one)) == one
        assert score.holds(one)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.1e300, 10**400, True, "0.5", None])
def test_what_is_no_finite_number_cannot_be_sought(value: object) -> None:
    score = number_of("loss", None)
    assert score is not None
    assert not score.holds(value)


def test_the_worst_classes_come_first_without_those_that_have_no_images() -> None:
    by_class = {str(place): 1 - place / 20 for place in range(12)} | {"empty": None}
    assert [name for name, _ in worst_classes(by_class)] == [str(place) for place in range(11, 1, -1)]
    assert worst_classes(None) == []


def test_of_equal_classes_the_effective_number_is_the_number_of_images() -> None:
    assert effective_validation_images(BALANCED, [100] * 10) == pytest.approx(1000)
    assert effective_validation_images(BALANCED, [100, 100, 0]) == pytest.approx(200)
    assert effective_validation_images(ACCURACY, COUNTS) == 1000


def simulated(recall: float, draws: int = 20_000) -> tuple[float, float]:
    """The standard deviations of balanced accuracy and macro F1 where all classes have this recall.

    An image that is not predicted right is given a class drawn in proportion to the other classes' sizes.
    """
    rng = np.random.default_rng(0)
    share = np.array(COUNTS) / sum(COUNTS)
    right = np.stack([rng.binomial(count, recall, draws) for count in COUNTS], axis=1)
    claimed = right.astype(float)
    for label, count in enumerate(COUNTS):
        others = np.where(np.arange(len(COUNTS)) == label, 0, share)
        claimed += rng.multinomial(count - right[:, label], others / others.sum())
    recalls, f1 = right / COUNTS, 2 * right / (np.array(COUNTS) + claimed)
    return float(recalls.mean(1).std()), float(f1.mean(1).std())


@pytest.mark.parametrize("recall", [0.6, 0.8, 0.95])
def test_the_noise_of_that_many_images_is_that_of_balanced_accuracy_and_near_that_of_macro_f1(
    recall: float,
) -> None:
    balanced, f1 = simulated(recall)
    images = effective_validation_images(BALANCED, COUNTS)
    expected = (recall * (1 - recall) / images) ** 0.5
    assert balanced == pytest.approx(expected, rel=0.03)
    assert f1 == pytest.approx(expected, rel=0.25)
    assert images < 500, "of 1,000 images"

"""The scores that a search may seek, and the noise of those that average over classes."""

import numpy as np
import pytest

from results.scores import ACCURACY, SCORES, effective_validation_images, sought_score, worst_classes

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

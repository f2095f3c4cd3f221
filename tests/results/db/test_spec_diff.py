"""What differs between two questions."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from results.db.spec_diff import differences, in_words

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
questions = st.dictionaries(st.text(min_size=1, max_size=4), values, max_size=4)


@given(questions)
def test_a_question_does_not_differ_from_itself(question: dict[str, Any]) -> None:
    assert differences(question, question) == []


@given(questions, questions)
def test_two_questions_differ_exactly_when_they_are_unequal(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert bool(differences(one, other)) == (tagged(one) != tagged(other))


def tagged(value: Any) -> Any:
    """The value with its booleans told apart from 0 and 1."""
    if isinstance(value, dict):
        return {key: tagged(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [tagged(inner) for inner in value]
    return (isinstance(value, bool), value)


def test_a_nested_difference_is_named_by_its_dotted_path() -> None:
    recorded = {"space": {"width": {"low": 0.25, "high": 1.0}}, "variables": [{"step": 4}, {"step": 8}]}
    asked = {"space": {"width": {"low": 0.25, "high": 1.25}}, "variables": [{"step": 4}, {"step": 16}]}
    assert differences(recorded, asked) == [
        "space.width.high: 1.0 recorded, 1.25 now",
        "variables.1.step: 8 recorded, 16 now",
    ]


def test_items_with_a_name_are_named_by_it_and_keys_are_told_in_words() -> None:
    recorded = {"space": [{"name": "width", "low": 0.25}], "training": {"train_images": 10}}
    asked = {"space": [{"name": "width", "low": 0.5}], "training": {"train_images": 20}}
    found = differences(recorded, asked)
    assert found == ["space.width.low: 0.25 recorded, 0.5 now", "training.train_images: 10 recorded, 20 now"]
    assert [in_words(one) for one in found] == [
        "space width low: 0.25 recorded, 0.5 now",
        "train images: 10 recorded, 20 now",
    ]


def test_a_key_that_only_one_has_is_named_with_nothing_on_the_other_side() -> None:
    assert differences({"a": 1}, {"b": None}) == [
        "a: 1 recorded, nothing now",
        "b: nothing recorded, None now",
    ]


def test_lists_of_two_lengths_are_told_whole() -> None:
    assert differences({"sizes": [1, 2]}, {"sizes": [1]}) == ["sizes: [1, 2] recorded, [1] now"]


def test_images_are_told_to_differ_in_words_and_not_by_their_fingerprints() -> None:
    def of(dataset: str, fingerprint: str) -> dict[str, object]:
        return {"training": {"dataset": dataset, "fingerprint": fingerprint}}

    now = of("folder", "folder-2-abc")
    assert differences(of("folder", "folder-2-def"), now) == [
        "the images (folder) are not those with which the study started"
    ]
    counted = of("folder", "folder-2-3+90+9-abc")
    assert differences(of("folder", "folder-2-3+89+9-def"), counted) == [
        "the images (folder) are not those with which the study started: "
        "3 classes, 89 training and 9 test images then, 3 classes, 90 training and 9 test images now"
    ]
    assert differences(of("folder", "folder-2-3+90+9-def"), counted) == [
        "the images (folder) are not those with which the study started: "
        "3 classes, 90 training and 9 test images as then, but others"
    ]
    assert differences(of("folder", "folder-1-3+90+9-def"), counted) == [
        "the images (folder) are decoded by other rules than when the study started (docs/data.md)"
    ]
    assert differences(of("folder", "0" * 64), now) == [
        "the images (folder) are decoded by other rules than when the study started (docs/data.md)"
    ]
    assert differences(of("digits", "digits-1-abc"), now) == [
        "training.dataset: 'digits' recorded, 'folder' now"
    ]
    assert differences(of("folder", "0" * 64), of("folder", "folder-3-10+60+10-absent")) == [
        "the images (folder) are not downloaded here yet, so they cannot be compared"
    ]
    assert differences(now, now) == []


def test_a_question_without_a_fit_asked_for_squashed_images() -> None:
    assert differences({}, {"fit": "squash"}) == []
    assert differences({}, {"fit": "crop"}) == ["fit: 'squash' recorded, 'crop' now"]

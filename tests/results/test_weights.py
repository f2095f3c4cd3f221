"""Where the weights of a trained network are."""

from pathlib import Path
from typing import Any

import pytest

from results import file_names, queries
from results.db.store import Store
from results.db.tables import Study, Trial
from results.errors import NotOnRecord, WeightsMissing
from results.weights import first_with_weights
from tests.results.records import complete, open_study

POINT = {"width": 0.5}


@pytest.fixture
def study(store: Store) -> Study:
    return open_study(store)


def train(store: Store, study: Study, number: int, folder: Path | None = None, **columns: Any) -> Trial:
    """A completed trial, which kept its weights if it has a folder."""
    given = {"point": POINT, "folder": folder and str(folder), "weights_bytes": folder and 10, **columns}
    if folder is not None:
        folder.mkdir()
        for name in (file_names.WEIGHTS, file_names.MODEL):
            (folder / name).write_text("{}")
    return complete(store, study, number, 1_000_000, 0.9, **given)


def save(store: Store, trial: Trial, name: str = "small") -> None:
    store.save_model(
        name=name, network="senet18", depth=1.0, width=0.5, resolution=1.0, dataset="digits",
        recipe="plain", macs=1, parameters=1, val_accuracy=0.9, status="confirmed",
        study_id=trial.study_id, trial_id=trial.id,
    )  # fmt: skip


def trial(number: int, of: int | None = None, has: bool = True, width: float = 0.5) -> Trial:
    return Trial(
        study_id=1,
        number=number,
        of_trial_number=of,
        point={"width": width},
        weights_bytes=10 if has else None,
    )


def test_the_first_repeat_by_number_stands_for_a_network() -> None:
    first, repeats = trial(3), [trial(9, of=3), trial(7, of=3), trial(5, of=4, width=0.7)]
    found = first_with_weights([first, *repeats], first)
    assert found is repeats[1]
    assert first_with_weights([first, *repeats], repeats[0]) is found


def test_a_repeat_without_weights_is_passed_over_and_the_first_training_comes_last() -> None:
    first = trial(3)
    rows = [first, trial(7, of=3, has=False), trial(9, of=3)]
    assert first_with_weights(rows, first) is rows[2]
    assert first_with_weights(rows[:2], first) is first
    assert first_with_weights([trial(3, has=False)], first) is None


def test_the_base_network_has_the_weights_of_its_first_training() -> None:
    rows = [trial(2), trial(1)]
    assert first_with_weights(rows, rows[0]) is rows[1]


def test_a_saved_model_is_found_by_its_name_and_by_its_study(
    store: Store, study: Study, db: str, tmp_path: Path
) -> None:
    first = train(store, study, 1, tmp_path / "1")
    train(store, study, 2, tmp_path / "2", purpose="confirmation", of_trial_number=1)
    save(store, first)
    other = open_study(store, "other")
    save(store, train(store, other, 1, tmp_path / "3"))
    assert queries.weights(db, "small") == tmp_path / "3"  # the newest of that name
    assert queries.weights(db, "small@demo") == tmp_path / "2"
    assert queries.weights(db, "demo:1") == tmp_path / "1"
    assert queries.weights(db, str(tmp_path / "2")) == tmp_path / "2"


def test_a_trial_without_its_own_weights_has_those_of_its_network(
    store: Store, study: Study, db: str, tmp_path: Path
) -> None:
    train(store, study, 1)
    train(store, study, 2, tmp_path / "2", purpose="confirmation", of_trial_number=1)
    store.answer_trial(study.id, 3, "duplicate", purpose="search", point={"width": 0.501}, of_trial_number=1)
    assert queries.weights(db, "demo:1") == queries.weights(db, "demo:3") == tmp_path / "2"


def test_weights_that_are_not_kept_or_gone_are_told_with_what_makes_them(
    store: Store, study: Study, db: str, tmp_path: Path
) -> None:
    kept = train(store, study, 1, tmp_path / "1")
    save(store, kept)
    (tmp_path / "1" / file_names.WEIGHTS).unlink()
    with pytest.raises(WeightsMissing, match=r"are gone: no .*; nas-train --model small "):
        queries.weights(db, "small")
    store.forget_weights(kept.id)
    with pytest.raises(WeightsMissing, match="no weights of small are kept; nas-train --model small "):
        queries.weights(db, "small")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("smal", "there is no model 'smal'; there are: small"),
        ("small@other", "there is no model 'small@other'"),
        ("demo:7", "no trial 7 in study 'demo'"),
        ("demo:x", "no trial x in study 'demo'"),
        ("dem:1", "there is no study 'dem'; there are demo"),
    ],
)
def test_an_unknown_name_is_answered_with_those_there_are(
    store: Store, study: Study, db: str, tmp_path: Path, name: str, said: str
) -> None:
    save(store, train(store, study, 1, tmp_path / "1"))
    with pytest.raises(NotOnRecord, match=said):
        queries.weights(db, name)

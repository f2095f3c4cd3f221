"""Where the weights of a trained network are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from results import file_names, queries
from results.cli import doctor
from results.cli.commands import main
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


def told(*words: str) -> str:
    result = CliRunner().invoke(main, [*words])
    assert result.exit_code == 0, result.output
    return result.output


def test_commands_say_whether_weights_are_kept_and_where(
    store: Store, study: Study, db: str, tmp_path: Path
) -> None:
    save(store, train(store, study, 1, tmp_path / "1", weights_seconds=0.25))
    train(store, study, 2, folder=None)
    assert re.search(
        rf"weights +10 bytes in {tmp_path}/1, written in 0.25 s", told("show", "demo", "1", "--db", db)
    )
    assert re.search(r"weights +not kept", told("show", "demo", "2", "--db", db))
    assert f"weights of small: {tmp_path}/1\n" in told("models", "--db", db)
    [model] = json.loads(told("models", "--db", db, "--json"))
    assert (model["weights"], model["weights_bytes"]) == (str(tmp_path / "1"), 10)
    store.forget_weights(1)
    assert "weights of" not in told("models", "--db", db)
    [model] = json.loads(told("models", "--db", db, "--json"))
    assert (model["weights"], model["weights_bytes"]) == (None, None)


def findings(db: str, repair: bool = False) -> list[str]:
    return [f"{found.level} {found.found}" for found in doctor.weights(db, repair)]


def test_the_doctor_finds_rows_without_files_and_files_without_rows(
    store: Store, study: Study, db: str, tmp_path: Path
) -> None:
    whole, gone, stray = (train(store, study, number, tmp_path / str(number)) for number in (1, 2, 3))
    assert findings(db) == ["good 0 trained networks, 0 bytes"], "a study that runs is left alone"
    store.end_study(study.id, "finished", "done")
    assert findings(db) == ["good 3 trained networks, 30 bytes"]
    (tmp_path / "2" / file_names.MODEL).unlink()
    store.forget_weights(stray.id)
    problems = [
        f"warning demo, trial 2: its files are not in {tmp_path}/2 any more",
        f"warning demo, trial 3: the database does not know of {tmp_path}/3/model.safetensors",
    ]
    assert findings(db)[:2] == findings(db, repair=True)[:2] == problems
    assert [row.number for row in store.trials_with_weights(study.id)] == [whole.number]
    assert gone.number not in [row.number for row in store.trials_with_weights(study.id)]
    assert (tmp_path / "3" / file_names.WEIGHTS).exists(), "what nobody asked to remove"


def test_a_deletion_counts_the_trained_networks_that_go(
    store: Store, study: Study, db: str, tmp_path: Path
) -> None:
    train(store, study, 1, tmp_path / "1")
    train(store, study, 2, tmp_path / "2")
    printed = told("delete", "demo", "--db", db, "--runs", str(tmp_path), "--yes")
    assert "the weights of 2 trained networks\n" in printed

"""By which versions of the trainer's rules a study is trained, and what a saved model brings with it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.trainer_client import Stopped
from results.db.store import Store
from tests.orchestrator._studies import evaluate, run, trials
from tests.orchestrator.search.test_loop import stopping_at

NEWEST = {"recipes": 2, "images": 3}
AS_THE_MODEL = {**NEWEST, "recipes": 1}
HPO: dict[str, Any] = {"kind": "hpo", "trials": 4}


def versions(folder: Path, study: str) -> list[Any]:
    """Of all trainings of a study, each once; None: the configuration names none."""
    found = [row.config and row.config.get("versions") for row in trials(folder, study) if row.config]
    return [one for place, one in enumerate(found) if one not in found[:place]]


def question(folder: Path, study: str) -> dict[str, Any]:
    with Store(folder / "results.db", read_only=True) as store:
        recorded = store.study(study)
    assert recorded is not None
    return recorded.question


def make_older(folder: Path, study: str) -> None:
    """Leave a study's settings as a version recorded them that knew of no versions."""
    with closing(sqlite3.connect(folder / "results.db", isolation_level=None)) as db:
        db.execute(
            "UPDATE studies SET question = json_remove(question, '$.training.versions') WHERE name = ?",
            [study],
        )


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A folder with the model `m` that an older study has saved, with a recipe that is not the default."""
    run(tmp_path, **HPO, subject="senet18", study="old", recipe="resnet9_sam_ip", save_as="m")
    make_older(tmp_path, "old")
    return tmp_path


def test_a_new_study_is_trained_by_the_newest_rules_and_says_so(tmp_path: Path) -> None:
    run(tmp_path, study="s")
    assert versions(tmp_path, "s") == [NEWEST]
    assert question(tmp_path, "s")["training"]["versions"] == NEWEST


def test_a_trainer_that_tells_no_versions_is_asked_for_none(tmp_path: Path) -> None:
    run(tmp_path, study="s", data="fake:plain")
    assert versions(tmp_path, "s") == [None]
    assert "versions" not in question(tmp_path, "s")["training"]


def test_a_study_begun_without_versions_goes_on_without_them(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, stopping_at(tmp_path / "s", 4), study="s")
    make_older(tmp_path, "s")
    before = len(trials(tmp_path, "s"))
    run(tmp_path, study="s")
    rows = trials(tmp_path, "s")[before:]
    assert rows
    assert not any("versions" in (row.config or {}) for row in rows)


def test_a_model_of_an_older_study_is_trained_by_the_recipe_of_then(older: Path) -> None:
    run(older, **HPO, subject="m", study="h")
    assert versions(older, "h") == [AS_THE_MODEL]
    run(older, **HPO, subject="m", study="n", recipe="nomad_haet")
    assert versions(older, "n") == [NEWEST]
    run(older, **HPO, subject="m", study="again", save_as="k")
    run(older, **HPO, subject="k", study="of the new one")
    assert versions(older, "of the new one") == [AS_THE_MODEL]


def test_a_search_of_such_a_model_resumes_also_where_the_first_training_was_lost(older: Path) -> None:
    with pytest.raises(Stopped):
        run(older, stopping_at(older / "h", 1), **HPO, subject="m", study="h")
    assert "has other settings" not in run(older, **HPO, subject="m", study="h")
    assert versions(older, "h") == [AS_THE_MODEL]


def test_an_evaluation_trains_each_model_by_its_own_version_and_resumes(older: Path) -> None:
    given: dict[str, Any] = {"model": ["m", "resnet18"], "study": "e", "data": None}
    evaluate(older, runs=1, **given)
    evaluate(older, runs=2, **given)
    found = {(row.point or {})["model"]: (row.config or {})["versions"] for row in trials(older, "e")}
    assert found == {"m": AS_THE_MODEL, "resnet18": NEWEST}
    assert len(trials(older, "e")) == 4


def test_an_evaluation_begun_without_versions_goes_on_without_them(tmp_path: Path) -> None:
    evaluate(tmp_path, runs=1, study="e")
    make_older(tmp_path, "e")
    evaluate(tmp_path, runs=2, study="e")
    [_, later] = trials(tmp_path, "e")
    assert "versions" not in (later.config or {})

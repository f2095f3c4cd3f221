"""A command that is refused leaves the record as it was, to the letter."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.search.solver_session import NotReproducible
from orchestrator.spec.command_options import BadOption
from orchestrator.study import plan
from orchestrator.trainer_client import TrainerRefused
from results import queries
from results.db.store import Store
from results.errors import QuestionChanged, StoreUnavailable
from tests.orchestrator._studies import evaluate, run, settled

MORE: dict[str, Any] = {"trials": 6}  # than it was finished with: what a refused resume once left on record


def contents(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "results.db")) as db:
        return list(db.iterdump())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search and an evaluation that have finished, and another one with their namesakes."""
    folder = tmp_path_factory.mktemp("finished")
    for place in (folder, folder / "other"):
        run(place, trials=4)
        evaluate(place, study="e")
    (folder / "file").touch()
    return folder


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"runs": "other"}, BadOption),
        ({"runs": "file"}, OSError),
        ({"seed": 3}, QuestionChanged),
        ({"kind": "hpo"}, QuestionChanged),
        ({"trials": 2}, BadOption),
        ({"warm_start": "nowhere"}, BadOption),
        ({"max_macs": 3}, BadOption),
        ({"recipe": "unknown"}, TrainerRefused),
        ({"data": "fake:refuse"}, TrainerRefused),
    ],
    ids=str,
)
def test_a_search_that_is_refused_changes_nothing(
    finished: Path, given: dict[str, Any], error: type[Exception]
) -> None:
    refused(run, finished, {**MORE, **given}, error)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"folder": "other"}, BadOption),
        ({"folder": "file"}, OSError),
        ({"seed": 3}, QuestionChanged),
        ({"model": ["resnet18"]}, QuestionChanged),
        ({"recipe": ["unknown"]}, TrainerRefused),
        ({"study": "s"}, QuestionChanged),
    ],
    ids=str,
)
def test_an_evaluation_that_is_refused_changes_nothing(
    finished: Path, given: dict[str, Any], error: type[Exception]
) -> None:
    refused(evaluate, finished, {"study": "e", "runs": 3, **given}, error)


def refused(study: Callable[..., str], folder: Path, given: dict[str, Any], error: type[Exception]) -> None:
    before, db = contents(folder), str(folder / "results.db")
    place = "folder" if study is evaluate else "runs"
    with pytest.raises(error):
        study(folder, **{**given, "db": db, place: folder / given.get(place, "")})
    assert contents(folder) == before


def test_the_same_command_of_a_finished_study_changes_nothing(finished: Path) -> None:
    before = contents(finished)
    assert "\nfinished: " in run(finished, trials=4)
    assert contents(finished) == before


def test_a_finished_study_that_cannot_go_on_stays_finished(tmp_path: Path) -> None:
    run(tmp_path, trials=4)
    with closing(sqlite3.connect(tmp_path / "results.db", isolation_level=None)) as db:
        db.execute("UPDATE trials SET point = json_set(point, '$.width', 0.75) WHERE number = 4")
        was = db.execute("SELECT state, message, budget_trials FROM studies").fetchall()
        with pytest.raises(NotReproducible):
            run(tmp_path, trials=6)
        assert db.execute("SELECT state, message, budget_trials FROM studies").fetchall() == was


def test_a_study_cannot_have_the_folder_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    with pytest.raises(
        BadOption,
        match=r"/s is a file, so a study cannot keep its trials there; "
        "give another",
    ):
        run(tmp_path)
    with closing(sqlite3.connect(tmp_path / "results.db")) as db:
        assert db.execute("SELECT count(*) FROM studies").fetchall() == [(0,)]


def test_a_plan_refuses_the_folder_that_the_search_would_refuse(finished: Path) -> None:
    asked = settled(finished, db=str(finished / "results.db"), runs=finished / "other", plan=True, trials=4)
    with pytest.raises(
        BadOption,
        match=r"/other/s holds trials of another results database, "
        r"\.\./results.db",
    ):
        plan.show_plan(asked, Console())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"study": None, "subject": "n" * 195}, "bytes, more than 200; give another --study"),
        ({"subject": "n" * 195}, "bytes, more than 200; give another --save-as"),
    ],
)
def test_a_name_made_of_others_that_is_too_long_is_refused(
    finished: Path, given: dict[str, Any], said: str
) -> None:
    scale = {"depth": 1.0, "width": 0.5, "resolution": 1.0}
    known = {"macs": 1, "parameters": 1, "val_accuracy": 0.5, "status": "provisional", "study_id": 1}
    with Store(finished / "results.db") as store:
        store.save_model(
            name="n" * 195, network="senet18", **scale, dataset="fake:", recipe="nomad_haet", **known
        )
    before = contents(finished)
    with pytest.raises(BadOption, match=said):
        run(finished, **given)
    assert contents(finished) == before


def test_a_study_cannot_have_the_name_of_a_database_s_own_file(tmp_path: Path) -> None:
    for name in ("own.db", "own.db-wal", "own.db-journal"):
        with pytest.raises(BadOption, match=r"belongs to a file of the database; give another --study"):
            run(tmp_path, study=name, db=str(tmp_path / "own.db"))
    assert run(tmp_path, study="own", db=str(tmp_path / "own.db"))


@pytest.fixture
def read_only(finished: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that cannot be written to, with the record of the finished studies."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a disk takes root")
    try:
        shutil.copytree(finished, disk / "runs")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        yield disk / "runs"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_record_that_cannot_be_written_is_read_and_no_study_begins(read_only: Path) -> None:
    for study, given in ((run, MORE), (evaluate, {"study": "e", "runs": 3})):
        with pytest.raises(
            StoreUnavailable, match="Read-only file system; make its folder writable, or give"
        ):
            study(read_only, **given)
    assert queries.best(str(read_only / "results.db"), "s")["trainings"].tolist() == [1]


def test_a_folder_of_trials_that_cannot_be_written_leaves_no_study_behind(
    read_only: Path, tmp_path: Path
) -> None:
    for study in (run, evaluate):
        with pytest.raises(OSError, match="Read-only file system"):
            study(read_only, db=str(tmp_path / "results.db"), study="new")
    assert queries.studies(str(tmp_path / "results.db")).empty

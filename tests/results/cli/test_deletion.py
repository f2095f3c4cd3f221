"""Deleting a study: what goes, what stays, and what a kill leaves."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from results.cli import doctor
from results.cli.commands import main
from results.db.connection import address
from results.db.search_queue import SearchQueue
from results.db.store import Store
from tests.orchestrator._studies import train
from tests.results.processes import ROOT, outcome_of
from tests.results.records import QUESTION, write_two_studies


@pytest.fixture
def runs(db: str, tmp_path: Path) -> Path:
    """The folder of runs of two studies with files; `nas-demo` has saved a model."""
    folder = tmp_path / "runs"
    write_two_studies(db)
    for name in ("nas-demo", "hpo-demo"):
        write_files(folder / name, db)
    return folder


def write_files(folder: Path, db: str) -> None:
    """The files of a trial, 200 bytes, and the name of the database, which is of 14 bytes if it is a file."""
    (folder / "00001" / "attempt-1").mkdir(parents=True)
    for name in ("trial.json", "attempt-1/log.txt"):
        (folder / "00001" / name).write_text("x" * 100)
    owner = address(db).render_as_string(hide_password=True) if "://" in db else "../results.db"
    (folder / "database.txt").write_text(f"{owner}\n")


def delete(db: str, runs: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["delete", *words, "--db", db, "--runs", str(runs)])


def names(db: str) -> list[str]:
    with Store(db, read_only=True) as store:
        return [study.name for study in store.studies()]


def files(runs: Path) -> set[str]:
    return {str(path.relative_to(runs)) for path in runs.rglob("*") if "results.db" not in path.name}


def test_a_study_goes_with_its_rows_models_and_files_and_others_stay(db: str, runs: Path) -> None:
    with SearchQueue(db) as queue:
        queue.remember("nas-demo", "nas", "senet18", {})
    (runs / ".service").mkdir()
    (runs / ".service" / "nas-demo.log").write_text("said")
    before = files(runs)
    told = delete(db, runs, "nas-demo", "--yes", "--json")
    assert told.exit_code == 0, told.stderr
    [found] = json.loads(told.stdout)
    counted = ("trials", "measurements", "events", "models", "folders", "files", "left")
    folder = str(runs / "nas-demo")
    assert [found[name] for name in counted] == [10, 12, 1, ["nomad_senet18"], [folder], 3, []]
    assert found["bytes"] == 200 + (runs / "hpo-demo" / "database.txt").stat().st_size
    assert files(runs) == {
        name for name in before if not name.startswith("nas-demo") and name != ".service/nas-demo.log"
    }
    with SearchQueue(db) as queue:
        [other] = queue.studies()
        assert (other.name, len(queue.trials(other.id))) == ("hpo-demo", 3)
        assert (queue.models(), queue.request("nas-demo")) == ([], None)


def test_nothing_goes_without_a_terminal_or_yes(db: str, runs: Path) -> None:
    before = files(runs)
    told = delete(db, runs, "nas-demo")
    assert (told.exit_code, told.stderr) == (
        2,
        "error: nothing is deleted: without a terminal nobody can be asked; give --yes\n",
    )
    assert "the study nas-demo: 10 trials, 12 measurements, 1 event" in told.stdout
    assert (names(db), files(runs)) == (["nas-demo", "hpo-demo"], before)


@pytest.mark.parametrize(("answer", "left"), [(b"y\n", ["hpo-demo"]), (b"n\n", ["nas-demo", "hpo-demo"])])
def test_a_person_is_asked(db: str, runs: Path, answer: bytes, left: list[str]) -> None:
    program = "from results.cli.commands import main; main()"
    words = ["delete", "nas-demo", "--db", db, "--runs", str(runs)]
    leader, follower = pty.openpty()
    os.write(leader, answer)
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, stdin=follower, capture_output=True, text=True
    )
    os.close(follower)
    os.close(leader)
    assert "Delete all this? It cannot be undone [y/N]:" in done.stderr
    assert (done.returncode, names(db)) == (0 if answer == b"y\n" else 1, left)


def test_an_unknown_study_is_an_error_that_names_the_others(db: str, runs: Path) -> None:
    for name in ("none", ".", "..", "a/../hpo-demo", str(runs / "hpo-demo")):
        told = delete(db, runs, name, "--yes")
        assert told.exit_code == 2
        assert told.stderr == f"error: there is no study {name!r}; there are: nas-demo, hpo-demo\n"
    assert (runs / "hpo-demo" / "00001").is_dir()


def test_no_database_is_made_to_delete_from(tmp_path: Path) -> None:
    told = delete(str(tmp_path / "none.db"), tmp_path, "s", "--yes")
    assert (told.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "there is no database" in told.stderr


def test_a_study_that_runs_or_waits_in_the_queue_is_refused(db: str, runs: Path) -> None:
    with SearchQueue(db) as queue:
        with queue.lock_study("hpo-demo"):
            told = delete(db, runs, "hpo-demo", "--yes")
        assert (told.exit_code, "is running in" in told.stderr) == (2, True)
        assert queue.enqueue("nas-demo", "nas", "senet18", {}, most=1)
        told = delete(db, runs, "nas-demo", "--yes", "--force")
        assert (told.exit_code, "waits in the queue of nas-serve" in told.stderr) == (2, True)
    assert names(db) == ["nas-demo", "hpo-demo"]


@pytest.mark.parametrize(
    "question",
    [
        {"subject": "nomad_senet18", "model": {"study": "nas-demo"}},
        {"subject": "nomad_senet18"},  # of version 0.1
        {"pairs": {"resnet18 with a": {}, "nomad_senet18 with a": {"model": {"study": "nas-demo"}}}},
        {"pairs": {"nomad_senet18 with a": {}}},
    ],
)
def test_a_study_is_kept_that_another_one_began_with_a_model_of(
    db: str, runs: Path, question: dict[str, object]
) -> None:
    with Store(db) as store:
        store.open_study("tuned", "hpo", {**QUESTION, **question}, 5, {}, None)
    told = delete(db, runs, "nas-demo", "--yes")
    assert told.exit_code == 2
    assert "tuned began with a model of nas-demo, and may not resume without it; delete" in told.stderr
    assert names(db) == ["nas-demo", "hpo-demo", "tuned"]
    assert delete(db, runs, "nas-demo", "--yes", "--force").exit_code == 0
    assert names(db) == ["hpo-demo", "tuned"]


def test_a_study_is_kept_whose_weights_another_one_began_with(tmp_path: Path) -> None:
    train(tmp_path, study="first")
    train(tmp_path, study="second", init="first:1")
    train(tmp_path, study="third")
    db = str(tmp_path / "results.db")
    told = delete(db, tmp_path, "first", "--yes")
    assert (told.exit_code, names(db)) == (2, ["first", "second", "third"])
    assert "second began with weights of first, and may not resume without them; delete" in told.stderr
    assert delete(db, tmp_path, "first", "--yes", "--force").exit_code == 0
    assert delete(db, tmp_path, "second", "--yes").exit_code == 0
    assert names(db) == ["third"]


def test_a_study_that_began_with_its_best_candidates_has_a_copy_and_is_named(db: str, runs: Path) -> None:
    with Store(db) as store:
        warm = {"warm_start": {"study": "nas-demo", "hints": []}}
        store.open_study("warm", "nas", {**QUESTION, "subject": "senet18", **warm}, 5, {}, None)
    told = delete(db, runs, "nas-demo", "--yes")
    assert told.exit_code == 0
    assert "warm began with its best candidates; it has a copy of them and stays as it is" in told.stdout


def test_a_folder_of_another_database_stays(db: str, runs: Path) -> None:
    (runs / "nas-demo" / "database.txt").write_text("../other.db\n")
    told = delete(db, runs, "nas-demo", "--yes")
    assert told.exit_code == 0
    assert f"{runs / 'nas-demo'} stays: it belongs to ../other.db" in told.stdout.replace("\n", " ")
    assert (names(db), (runs / "nas-demo" / "00001").is_dir()) == (["hpo-demo"], True)


def test_a_folder_that_is_elsewhere_goes_with_the_link_to_it(db: str, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "larger").mkdir()
    (runs / "nas-demo").rename(tmp_path / "larger" / "nas-demo")
    (runs / "nas-demo").symlink_to(tmp_path / "larger" / "nas-demo")
    assert delete(db, runs, "nas-demo", "--yes").exit_code == 0
    assert not (runs / "nas-demo").is_symlink()
    assert list((tmp_path / "larger").iterdir()) == []
    assert (runs / "hpo-demo" / "00001").is_dir()


KILLED = """
import os, shutil, signal, sys
from results.cli.commands import main
from results.db import study_files

def dies(*words):
    act(*words)
    os.kill(os.getpid(), signal.SIGKILL)

module = {"remove": study_files, "rmtree": shutil}[sys.argv[1]]
act = getattr(module, sys.argv[1]) if sys.argv[2] == "after" else lambda *words: None
setattr(module, sys.argv[1], dies)
main(sys.argv[3:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", [("remove", "before"), ("rmtree", "before"), ("rmtree", "after")], ids=str)
def test_what_a_kill_leaves_is_reported_and_removed_by_the_same_command(
    db: str, runs: Path, moment: tuple[str, str]
) -> None:
    words = ("delete", "nas-demo", "--yes", "--db", db, "--runs", str(runs))
    code, _, _ = outcome_of(KILLED, *moment, *words)
    assert (code, names(db)) == (-signal.SIGKILL, ["hpo-demo"])
    assert (runs / "nas-demo" / "database.txt").exists(), "the last to go"
    [found] = doctor.leftovers(db, runs)
    assert (found.level, found.advice) == ("warning", "nas-results delete nas-demo removes it")
    told = delete(db, runs, "nas-demo", "--yes")
    assert told.exit_code == 0
    assert "is not in the results database any more, but its files are there" in told.stdout
    assert not (runs / "nas-demo").exists()
    assert list(doctor.leftovers(db, runs)) == []

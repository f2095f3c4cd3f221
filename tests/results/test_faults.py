"""What goes wrong around a database is told in one line, and nothing on record is lost."""

import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from results import database, queries, schema
from results.errors import SchemaTooNew, SchemaTooOld, StoreUnavailable
from results.store import Store
from tests.results.processes import outcome_of, python
from tests.results.records import complete, open_study

WRITE_TRIALS_FOR_EVER = """
import itertools, sys
from results.store import Store
from tests.results.records import complete, open_study
store = Store(sys.argv[1])
study = open_study(store)
for number in itertools.count(1):
    complete(store, study, number, number, 0.5)
    print(number, flush=True)
"""


@pytest.mark.parametrize("trials", [1, 40])
def test_a_killed_writer_leaves_a_consistent_database_with_all_it_committed(
    tmp_path: Path, trials: int
) -> None:
    db = tmp_path / "results.db"
    with python(WRITE_TRIALS_FOR_EVER, str(db)) as writer:
        assert writer.stdout
        committed = [int(writer.stdout.readline()) for _ in range(trials)][-1]
        writer.kill()
    with sqlite3.connect(db) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert plain.execute("PRAGMA foreign_key_check").fetchall() == []
    plain.close()
    with Store(db) as store:
        rows = store.trials(open_study(store).id)
    numbers = [row.number for row in rows]
    assert numbers == list(range(1, len(rows) + 1))
    assert len(rows) >= committed
    assert {row.state for row in rows[:committed]} == {"completed"}
    curves = queries.learning_curves(db, "demo").groupby("trial").size()
    assert set(curves) == {2}  # a trial's measurements are all there, or none is


OPEN_WHEN_TOLD = """
import sys
from results.store import Store
from tests.results.records import open_study
print("ready", flush=True)
sys.stdin.readline()
with Store(sys.argv[1]) as store:
    open_study(store, sys.argv[2])
"""


def test_two_processes_that_make_one_database_at_once_both_succeed(db: str) -> None:
    with python(OPEN_WHEN_TOLD, db, "first") as first, python(OPEN_WHEN_TOLD, db, "second") as second:
        for process in (first, second):
            assert process.stdout
            process.stdout.readline()
        for process in (first, second):
            assert process.stdin
            print("go", file=process.stdin, flush=True)
        assert [process.communicate(timeout=60)[1] for process in (first, second)] == ["", ""]
    assert sorted(queries.studies(db)["name"]) == ["first", "second"]


FILL_THE_DISK = """
import pathlib, resource, sys
from results.errors import StoreUnavailable
from results.store import Store
from tests.results.records import complete, open_study
path = pathlib.Path(sys.argv[1])
store = Store(path)
study = open_study(store)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
number = 0
try:
    while True:
        complete(store, study, number + 1, 1, 0.5, folder="x" * 2000)
        number += 1
except StoreUnavailable as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.note(study.id, "room again", {})
print(number)
"""


def test_a_file_that_cannot_grow_loses_no_trial_and_is_written_again_once_it_can(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    code, out, err = outcome_of(FILL_THE_DISK, str(db))
    assert (code, err) == (0, "")
    said, number = out.splitlines()
    assert "disk" in said
    assert "run the same again" in said
    trials = queries.trials(db, "demo")
    assert (trials["state"] == "completed").sum() == int(number) > 5
    assert queries.events(db, "demo")["kind"].tolist() == ["room again"]


def test_a_database_with_no_room_left_says_to_free_some(tmp_path: Path) -> None:
    url = database.address(tmp_path / "full.db")
    engine = database.connect(url, read_only=False)
    with pytest.raises(StoreUnavailable, match="full; free some disk space"), database.explained(url):
        _fill(engine)
    engine.dispose()


def _fill(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 2")
        for table in ("a", "b", "c"):
            connection.exec_driver_sql(f"CREATE TABLE {table} (x)")


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        StoreUnavailable, match=r"cannot make the folder .*; give a --db that you can write to"
    ):
        Store(tmp_path / "file" / "runs" / "results.db")


def test_a_folder_that_cannot_be_written_to_is_told_of() -> None:
    with pytest.raises(StoreUnavailable, match=r"cannot make /proc/results.db.lock: .*give another --db"):
        Store("/proc/results.db")


def test_a_folder_in_the_place_of_the_file_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open database file"):
        Store(tmp_path)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("trial 3 looked good\n" * 50)
    for read_only in (False, True):
        with pytest.raises(StoreUnavailable, match="file is not a database; give another --db"):
            Store(text, read_only=read_only)
    assert text.read_text() == "trial 3 looked good\n" * 50
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_database_is_told_of(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    with Store(db) as store:
        study = open_study(store)
        for number in range(1, 40):
            complete(store, study, number, 1, 0.5)
    pages = bytearray(db.read_bytes())
    pages[8192:] = b"\xff" * (len(pages) - 8192)
    db.write_bytes(pages)
    with pytest.raises(StoreUnavailable, match="malformed; it is damaged; restore a copy"):
        Store(db)


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    db = tmp_path / "optuna.db"
    with sqlite3.connect(db) as theirs:
        theirs.execute("CREATE TABLE studies (study_id INTEGER)")
        theirs.execute("CREATE TABLE alembic_version (version_num VARCHAR)")
        theirs.execute("INSERT INTO alembic_version VALUES ('v3.2.0.a')")
    theirs.close()
    for read_only in (False, True):
        with pytest.raises(StoreUnavailable, match="belongs to another program; give another --db"):
            Store(db, read_only=read_only)


def test_an_empty_database_holds_no_record_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreUnavailable, match="holds no record of a search"):
        Store(tmp_path / "empty.db", read_only=True)


def test_reading_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"there is no database .*; run a search first"):
        Store(tmp_path / "results.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    with Store(db) as store:
        open_study(store)
    with sqlite3.connect(db) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '0999'")
    for read_only in (False, True):
        with pytest.raises(SchemaTooNew, match=r"newer version \(schema 0999.*pip install -U"):
            Store(db, read_only=read_only)
    assert newer.execute("SELECT version_num FROM alembic_version").fetchall() == [("0999",)]
    newer.close()


def test_a_database_of_an_older_schema_is_not_migrated_by_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = tmp_path / "results.db"
    Store(db).close()
    monkeypatch.setattr(schema, "REVISION", "0002")  # as if this were the next version
    with pytest.raises(SchemaTooOld, match=f"run `nas-results migrate --db {db}` once"):
        Store(db, read_only=True)


HOLD_FOR_HALF_A_SECOND = """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(0.5)
other.execute("COMMIT")
other.close()
"""


def test_a_writer_waits_for_another_writer(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    with Store(db) as store:
        study = open_study(store)
        with python(HOLD_FOR_HALF_A_SECOND, str(db)) as holder:
            assert holder.stdout
            holder.stdout.readline()
            begun = time.monotonic()
            store.note(study.id, "after the other", {})
            assert 0.2 < time.monotonic() - begun < 20


@pytest.mark.parametrize("address", ["sqlite://", ":memory:", ""])
def test_a_database_in_memory_is_refused(address: str) -> None:
    with pytest.raises(StoreUnavailable, match="keeps no record after the process ends"):
        Store(address)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://user@host/name", "'mysql' is neither SQLite nor PostgreSQL"),
        ("://", "is no database URL"),
        ("postgresql://user:secret@127.0.0.1:1/name", "cannot use postgresql://user:.*@127.0.0.1:1/name"),
    ],
)
def test_a_server_that_is_not_there_is_told_of_without_its_password(address: str, said: str) -> None:
    with pytest.raises(StoreUnavailable, match=said) as told:
        Store(address)
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)

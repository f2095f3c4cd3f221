"""What goes wrong around a database is told in one line, and nothing on record is lost."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine

from results.db import connection as database
from results.db import schema
from results.db.store import Store
from results.errors import SchemaTooNew, SchemaTooOld, StoreUnavailable
from tests.results.records import complete, open_study


def test_a_database_with_no_room_left_says_to_free_some(tmp_path: Path) -> None:
    url = database.address(tmp_path / "full.db")
    engine = database.connect(url, read_only=False)
    with pytest.raises(StoreUnavailable, match="full; free some disk space"), database.explain_errors(url):
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
        StoreUnavailable, match=r"cannot create the folder .*; give a --db that you can write to"
    ):
        Store(tmp_path / "file" / "runs" / "results.db")


def test_a_folder_that_cannot_be_written_to_is_told_of() -> None:
    with pytest.raises(StoreUnavailable, match=r"cannot create /proc/results.db.lock: .*give another --db"):
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


def test_a_file_of_two_names_is_not_written_to_for_each_would_have_a_log_of_its_own(tmp_path: Path) -> None:
    db, other = tmp_path / "results.db", tmp_path / "other.db"
    Store(db).close()
    other.hardlink_to(db)
    for name in (db, other):
        with pytest.raises(StoreUnavailable, match=r"has 2 names \(hard links\).*nas-results backup --db"):
            Store(name)
        Store(name, read_only=True).close()
    other.unlink()
    Store(db).close()


def test_a_damaged_database_is_told_of(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    with Store(db) as store:
        study = open_study(store)
        for number in range(1, 40):
            complete(store, study, number, 1, 0.5)
    pages = bytearray(db.read_bytes())
    pages[8192:] = b"\xff" * (len(pages) - 8192)
    db.write_bytes(pages)
    with pytest.raises(StoreUnavailable, match="malformed; it is damaged; restore a backup"):
        Store(db)


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    db = tmp_path / "optuna.db"
    theirs = sqlite3.connect(db)
    with theirs:
        theirs.execute("CREATE TABLE studies (study_id INTEGER)")
        theirs.execute("CREATE TABLE alembic_version (version_num VARCHAR)")
        theirs.execute("INSERT INTO alembic_version VALUES ('v3.2.0.a')")
    theirs.close()
    for read_only in (False, True):
        with pytest.raises(StoreUnavailable, match="belongs to another program; give another --db"):
            Store(db, read_only=read_only)


def test_an_empty_database_holds_no_record_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreUnavailable, match="is not a results database"):
        Store(tmp_path / "empty.db", read_only=True)


def test_reading_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"there is no database .*; run a search first"):
        Store(tmp_path / "results.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    with Store(db) as store:
        open_study(store)
    newer = sqlite3.connect(db)
    with newer:
        newer.execute("UPDATE alembic_version SET version_num = '0999'")
    for read_only in (False, True):
        with pytest.raises(SchemaTooNew, match=r"newer version \(schema 0999.*run pip install -e \. in it"):
            Store(db, read_only=read_only)
    assert newer.execute("SELECT version_num FROM alembic_version").fetchall() == [("0999",)]
    newer.close()


def test_a_database_of_an_older_schema_is_not_migrated_by_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = tmp_path / "results.db"
    Store(db).close()
    monkeypatch.setattr(schema, "REVISION", "9999")  # as if this were the next version
    with pytest.raises(SchemaTooOld, match=f"run `nas-results migrate --db {db}` once"):
        Store(db, read_only=True)


@pytest.mark.parametrize("address", ["sqlite://", ":memory:", ""])
def test_a_database_in_memory_is_refused(address: str) -> None:
    with pytest.raises(StoreUnavailable, match="would be lost when the process ends"):
        Store(address)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://user@host/name", "'mysql' is neither SQLite nor PostgreSQL"),
        ("://", "is not a database URL"),
        ("postgresql://user:secret@127.0.0.1:1/name", "cannot use postgresql://user:.*@127.0.0.1:1/name"),
    ],
)
def test_a_server_that_is_not_there_is_told_of_without_its_password(address: str, said: str) -> None:
    with pytest.raises(StoreUnavailable, match=said) as told:
        Store(address)
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)

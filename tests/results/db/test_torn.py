"""What a power cut, another writer and a clock that jumps do to a record: nothing that was whole is lost."""

import random
import shutil
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from results.db import connection, locks
from results.db.store import Store
from results.errors import StoreUnavailable
from tests.results.processes import python
from tests.results.records import complete, open_study

TRIALS = 12
HOLD = """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
other.execute("COMMIT")
other.close()
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose trials are all still in its log, as while a search runs."""
    folder = tmp_path_factory.mktemp("written")
    with Store(folder / "results.db") as store:
        study = open_study(store)
        with closing(sqlite3.connect(folder / "results.db")) as plain:
            plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in range(1, TRIALS + 1):
            complete(store, study, number, number, 0.5)
        for name in ("results.db", "results.db-wal"):
            shutil.copy(folder / name, folder / f"copy-{name}")
    return folder


def torn(written: Path, folder: Path, bytes_left: int, zeros: int = 0) -> Path:
    """The database with that much of its log, and zeros where the disk had only made room."""
    shutil.copy(written / "copy-results.db", folder / "results.db")
    log = (written / "copy-results.db-wal").read_bytes()
    (folder / "results.db-wal").write_bytes(log[:bytes_left] + b"\0" * zeros)
    (folder / "results.db-shm").unlink(missing_ok=True)
    return folder / "results.db"


def states(db: Path) -> list[str]:
    with closing(sqlite3.connect(db)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert plain.execute("PRAGMA foreign_key_check").fetchall() == []
        query = (
            "SELECT number, state, (SELECT count(*) FROM measurements WHERE trial_id = trials.id) FROM trials"
        )
        rows = plain.execute(f"{query} ORDER BY number").fetchall()
    assert [number for number, _, _ in rows] == list(range(1, len(rows) + 1))
    assert all(measured == (2 if state == "completed" else 0) for _, state, measured in rows)
    return [state for _, state, _ in rows]


def check_offsets(written: Path, folder: Path, cuts: int, rng: random.Random) -> None:
    size, seen = (written / "copy-results.db-wal").stat().st_size, set[int]()
    for cut in [0, size, *(rng.randrange(size) for _ in range(cuts))]:
        found = states(torn(written, folder, cut, rng.choice((0, 0, 5000))))
        assert set(found[:-1]) <= {"completed"}
        assert found[-1:] in ([], ["completed"], ["running"])
        seen.add(len(found))
    assert {0, TRIALS} < seen


def test_a_log_cut_anywhere_gives_a_whole_prefix_of_the_record(written: Path, tmp_path: Path) -> None:
    check_offsets(written, tmp_path, 60, random.Random(0))


@pytest.mark.slow
def test_a_log_cut_in_two_thousand_places_gives_a_whole_prefix(written: Path, tmp_path: Path) -> None:
    check_offsets(written, tmp_path, 2000, random.Random(1))


def test_a_record_that_lost_its_last_trials_goes_on_where_it_ends(written: Path, tmp_path: Path) -> None:
    size = (written / "copy-results.db-wal").stat().st_size
    with Store(torn(written, tmp_path, size // 2)) as store:
        study = open_study(store)
        rows = store.trials(study.id)
        assert 2 < len(rows) < TRIALS
        complete(store, study, len(rows) + 1, 1, 0.5)
        assert store.trials(study.id)[:-1] != []
    assert len(states(tmp_path / "results.db")) == len(rows) + 1


def test_a_lock_that_is_kept_too_long_is_told_of_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.2)
    with Store(tmp_path / "results.db") as store:
        study = open_study(store)
        with python(HOLD, str(tmp_path / "results.db"), "60") as holder:
            assert holder.stdout
            holder.stdout.readline()
            with pytest.raises(StoreUnavailable, match=r"database is locked; another process kept it locked"):
                store.note(study.id, "during", {})
            assert len(store.studies()) == 1  # who only reads is not kept waiting
        store.note(study.id, "after", {})
        assert [event.kind for event in store.events(study.id)] == ["after"]


@pytest.mark.slow
def test_a_lock_kept_for_a_minute_is_waited_for(tmp_path: Path) -> None:
    with Store(tmp_path / "results.db") as store:
        study = open_study(store)
        with python(HOLD, str(tmp_path / "results.db"), "60") as holder:
            assert holder.stdout
            holder.stdout.readline()
            began = time.monotonic()
            complete(store, study, 1, 1, 0.5)
            assert time.monotonic() - began > 50
    assert states(tmp_path / "results.db") == ["completed"]


@pytest.mark.parametrize("years", [-30, 30])
def test_a_clock_that_jumps_hides_no_holder_of_a_lock_and_moves_no_order(
    tmp_path: Path, years: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumped = datetime.now(UTC) + timedelta(days=365 * years)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return jumped

    with Store(tmp_path / "results.db") as store:
        study = open_study(store)
        complete(store, study, 1, 1, 0.5)
        monkeypatch.setattr("results.db.store.datetime", Clock)
        monkeypatch.setattr("results.db.locks.datetime", Clock)
        with store.lock_study("demo"):
            complete(store, study, 2, 2, 0.5)
            assert locks.holder(store.url, "demo") is not None
        assert [row.number for row in store.trials(study.id)] == [1, 2]

"""Writers that die, meet or run out of room: what was committed stays, whole."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from results import queries
from results.db.store import Store
from tests.results.processes import outcome_of, python
from tests.results.records import open_study
from tests.thinned import rest_slow

WRITE_TRIALS_FOR_EVER = """
import itertools, sys
from results.db.store import Store
from tests.results.records import complete, open_study
store = Store(sys.argv[1])
study = open_study(store)
for number in itertools.count(1):
    complete(store, study, number, number, 0.5)
    print(number, flush=True)
"""


@pytest.mark.parametrize("trials", rest_slow([1, 40], [40]))
def test_a_killed_writer_leaves_a_consistent_database_with_all_it_committed(
    tmp_path: Path, trials: int
) -> None:
    db = tmp_path / "results.db"
    with python(WRITE_TRIALS_FOR_EVER, str(db)) as writer:
        assert writer.stdout
        committed = [int(writer.stdout.readline()) for _ in range(trials)][-1]
        writer.kill()
    plain = sqlite3.connect(db)
    with plain:
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
from results.db.store import Store
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
from results.db.store import Store
from tests.results.records import complete, open_study
path = pathlib.Path(sys.argv[1])
number = 0
with Store(path) as store:
    study = open_study(store)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
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


HOLD_UNTIL_TOLD = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
other.execute("COMMIT")
other.close()
"""


def test_a_writer_waits_for_another_writer(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    with Store(db) as store:
        study = open_study(store)
        with python(HOLD_UNTIL_TOLD, str(db)) as holder, ThreadPoolExecutor(1) as pool:
            assert holder.stdout
            assert holder.stdin
            holder.stdout.readline()
            writing = pool.submit(store.note, study.id, "after the other", {})
            time.sleep(0.3)
            assert not writing.done()
            print("go", file=holder.stdin, flush=True)
            writing.result(timeout=60)

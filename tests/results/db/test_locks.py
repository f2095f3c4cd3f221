"""One orchestrator a study."""

import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from results.db import locks
from results.db.connection import address
from results.db.store import Store
from results.errors import StudyLocked, StudyLost
from tests.results.processes import python

HOLD = """
import sys, time
from results.db.store import Store
with Store(sys.argv[1]) as store, store.lock_study(sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_who_runs_the_study_and_what_to_do(store: Store, db: str) -> None:
    with python(HOLD, db, "demo") as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StudyLocked) as locked, store.lock_study("demo"):
            pass
    said = str(locked.value)
    assert f"study 'demo' is running in process {holder.pid} on {socket.gethostname()} since" in said
    assert f"(kill {holder.pid})" in said


def test_a_killed_process_holds_nothing(store: Store, db: str) -> None:
    with python(HOLD, db, "demo") as holder:
        assert holder.stdout
        holder.stdout.readline()
        holder.kill()
        holder.wait()
        with store.lock_study("demo"):
            pass


def test_a_lock_is_free_again_after_its_block_and_after_an_error(store: Store) -> None:
    with pytest.raises(KeyError), store.lock_study("demo"):
        raise KeyError
    with store.lock_study("demo"):
        pass


def test_two_studies_of_one_database_run_at_once(store: Store) -> None:
    with store.lock_study("first"), store.lock_study("second"):
        pass


def test_a_study_is_locked_for_its_own_process_too(store: Store) -> None:
    with (
        store.lock_study("demo"),
        pytest.raises(StudyLocked, match="is running in this process since"),
        store.lock_study("demo"),
    ):
        pass


@pytest.mark.parametrize("name", ["../../out", "a b/c", "ünï", "%"])
def test_a_lock_s_file_stays_beside_the_database_and_goes_away(tmp_path: Path, name: str) -> None:
    with Store(tmp_path / "results.db") as store:
        with store.lock_study(name):
            files = [file.name for file in tmp_path.iterdir() if file.suffix == ".lock"]
            assert len(files) == 1
        assert not list(tmp_path.glob("*.lock"))


@pytest.mark.parametrize("torn", [b"", b"\0" * 90, b'{"pid": "1', b"[]"])
def test_a_lock_file_that_a_power_cut_left_unsigned_is_nobody_s(tmp_path: Path, torn: bytes) -> None:
    url, lock = address(tmp_path / "results.db"), tmp_path / "results.db.demo.lock"
    lock.write_bytes(torn)
    assert locks.holder(url, "demo") == {}, "it may be about to be signed"
    long_ago = time.time() - 60
    os.utime(lock, (long_ago, long_ago))
    assert locks.holder(url, "demo") is None


def test_a_lock_whose_file_was_removed_is_taken_again(tmp_path: Path) -> None:
    with Store(tmp_path / "results.db") as store, store.lock_study("demo"):
        file = tmp_path / "results.db.demo.lock"
        file.unlink()
        store.keep_lock("demo")
        assert file.exists()
        with pytest.raises(StudyLocked), store.lock_study("demo"):
            pass
    assert not file.exists()


def test_a_lock_that_another_process_has_by_now_is_lost_and_left_to_it(tmp_path: Path) -> None:
    db, file = str(tmp_path / "results.db"), tmp_path / "results.db.demo.lock"
    with Store(db) as store:
        with store.lock_study("demo"):
            file.unlink()
            with python(HOLD, db, "demo") as holder:
                assert holder.stdout
                assert holder.stdout.readline() == "held\n"
                with pytest.raises(StudyLost, match="study 'demo' was taken over by another process"):
                    store.keep_lock("demo")
        assert json.loads(file.read_text())["pid"] == str(holder.pid), "the file is the other's"


@pytest.mark.parametrize("link", ["file", "folder", "dangling"])
def test_a_database_has_one_lock_by_whatever_name(tmp_path: Path, link: str) -> None:
    real, other = tmp_path / "real", tmp_path / "other"
    real.mkdir()
    db = other / "results.db"
    if link == "folder":
        other.symlink_to(real)
    else:
        other.mkdir()
        db.symlink_to(Path("..") / "real" / "results.db")
    first = db if link == "dangling" else real / "results.db"
    with Store(first) as store, store.lock_study("demo"), Store(db) as same:
        assert locks.holder(address(db), "demo") is not None
        with pytest.raises(StudyLocked), same.lock_study("demo"):
            pass
        assert list(real.glob("*.demo.lock"))
    assert (real / "results.db").is_file()


def test_the_copy_of_a_lock_that_is_held_is_nobody_s(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    with Store(tmp_path / "results.db") as store, store.lock_study("demo"):
        for file in tmp_path.glob("results.db*"):
            shutil.copy2(file, copy)
        long_ago = time.time() - 60
        os.utime(copy / "results.db.demo.lock", (long_ago, long_ago))
        assert locks.holder(address(tmp_path / "results.db"), "demo") is not None
        assert locks.holder(address(copy / "results.db"), "demo") is None


def test_a_name_too_long_for_a_file_has_a_lock_all_the_same(tmp_path: Path) -> None:
    with Store(tmp_path / "results.db") as store, store.lock_study("ü" * 100), store.lock_study("ü" * 99):
        assert len(list(tmp_path.glob("*.lock"))) == 2


SLEEP = "import time; print('up', flush=True); time.sleep(60)"


def test_a_process_is_signalled_by_what_it_signed(store: Store, db: str) -> None:
    with python(HOLD, db, "demo") as holder:
        assert holder.stdout
        holder.stdout.readline()
        held = locks.holder(address(db), "demo")
        assert held is not None
        assert held["pid"] == str(holder.pid)
        assert locks.send_signal(held, signal.SIGTERM)
        assert holder.wait(20) == -signal.SIGTERM
        assert not locks.send_signal(held, signal.SIGTERM)


def test_a_process_with_the_number_of_another_that_signed_elsewhere_is_left_alone() -> None:
    """After a reboot, or on another machine of the same host name, a number is any process's."""
    with python(SLEEP) as stranger:
        assert stranger.stdout
        stranger.stdout.readline()
        signed = locks.signature(stranger.pid)
        for mark in ({"mark": "AAAAAAAA"}, {"mark": ""}):
            assert not locks.send_signal({**signed, **mark}, signal.SIGTERM)
        unsigned = {name: signed[name] for name in ("pid", "host", "since")}
        assert not locks.send_signal(unsigned, signal.SIGTERM), "an earlier version's"
        assert stranger.poll() is None


def test_a_lock_file_of_an_earlier_boot_is_nobody_s(tmp_path: Path) -> None:
    url, lock = address(tmp_path / "results.db"), tmp_path / "results.db.demo.lock"
    signed = locks.signature(os.getpid())
    lock.write_text(json.dumps(signed))
    assert locks.holder(url, "demo") == signed
    lock.write_text(json.dumps({**signed, "mark": "AAAAAAAA"}))
    assert locks.holder(url, "demo") is None
    lock.write_text(json.dumps({name: value for name, value in signed.items() if name != "mark"}))
    assert locks.holder(url, "demo") is not None, "signed by an earlier version"

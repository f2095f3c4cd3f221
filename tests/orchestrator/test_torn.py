"""What a power cut, a full disk and two orchestrators leave: nothing that ended is lost or trained twice."""

import random
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.executors import local
from results.db.store import Store
from tests.orchestrator._processes import eventually, naming, training
from tests.orchestrator._studies import command, evaluate, record, trials, typed

ARGUMENTS = (
    *("--base", "senet18", "--study", "s", "--budget", "10steps"),
    *("--slots", "2", "--tolerance", "0.01"),
)
ROOM = "8m"


def cut_short(folder: Path, share: float) -> bool:
    """As if the machine had died while the last trial ended: no end on record, a share of its lines written.

    Returns whether its result is there.
    """
    with closing(sqlite3.connect(folder / "results.db")) as db, db:
        [path, number] = db.execute("SELECT folder, max(number) FROM trials").fetchone()
        db.execute("UPDATE trials SET attempts = 1")
        db.execute("UPDATE trials SET state = 'running', finished_at = NULL WHERE number = ?", [number])
    lines = Path(path) / "metrics.jsonl"
    whole = lines.read_bytes()
    left = round(share * len(whole))
    lines.write_bytes(whole[:left])
    end = whole.index(b"\n", whole.rindex(b'"final"'))
    return left >= end  # which may be the last byte


def check_cuts(folder: Path, cuts: int, rng: random.Random) -> None:
    evaluate(folder, data="fake:")
    calm = [dict(row, exit_code=0) for row in record(folder)]
    for share in [0.0, 0.999, 1.0, *(rng.random() for _ in range(cuts))]:
        is_whole = cut_short(folder, share)
        evaluate(folder, data="fake:")
        assert [dict(row, exit_code=0) for row in record(folder)] == calm
        assert [row.attempts for row in trials(folder)] == [1, 1 if is_whole else 2], share


def test_lines_cut_anywhere_are_a_result_or_are_trained_again(tmp_path: Path) -> None:
    check_cuts(tmp_path, 3, random.Random(0))


@pytest.mark.slow
def test_lines_cut_in_a_hundred_places_are_a_result_or_are_trained_again(tmp_path: Path) -> None:
    check_cuts(tmp_path, 100, random.Random(1))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here: that takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_ends_a_search_in_a_line_and_once_it_has_room_nothing_is_missing(
    tmp_path: Path, small_disk: Path
) -> None:
    calm, asked = tmp_path / "calm", (*ARGUMENTS, "--data", "fake:", "--trials", "14", "--early-stop", "0")
    assert typed(calm, *asked).returncode == 0
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (8 * 2**20 - 600_000))
    full = typed(small_disk, *asked)
    assert full.returncode == 2, full.stdout
    assert full.stderr.count("\n") == 1
    assert "finished trials are kept" in full.stderr or "run the same again" in full.stderr
    ended = {row.number: row.finished_at for row in trials(small_disk) if row.state == "completed"}
    assert 0 < len(ended) < 14
    ballast.unlink()
    assert typed(small_disk, *asked).returncode == 0
    assert [dict(row, exit_code=0) for row in record(small_disk)] == [
        dict(row, exit_code=0) for row in record(calm)
    ]
    assert {row.number: row.finished_at for row in trials(small_disk) if row.number in ended} == ended
    with closing(sqlite3.connect(small_disk / "results.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert eventually(lambda: naming(small_disk) == [])


@pytest.mark.slow
def test_a_second_orchestrator_of_a_study_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    asked = (*ARGUMENTS, "--data", "fake:hang", "--trials", "4")
    with subprocess.Popen(command(tmp_path, *asked), stdout=subprocess.DEVNULL) as first:
        assert eventually(lambda: bool(list((tmp_path / "s").glob("*/metrics.jsonl"))), 30)
        second = typed(tmp_path, *asked)
        assert second.returncode == 2
        assert f"study 's' is running in process {first.pid} on" in second.stderr
        assert first.poll() is None
        first.terminate()
        assert first.wait(20) == 130
    with Store(tmp_path / "results.db", read_only=True) as store:
        assert [study.state for study in store.studies()] == ["stopped"]
    assert eventually(lambda: naming(tmp_path) == [])


def test_a_clock_that_jumps_changes_no_duration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime, timedelta

    moments = iter(datetime.now(UTC) - timedelta(days=365 * n) for n in range(100))

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return next(moments)

    monkeypatch.setattr(local, "datetime", Clock)
    executor = local.create("cpu", slots=1)
    ended = executor.run(training(tmp_path / "t", "fake:sleep=.1"), threading.Event())
    assert ended.ended_at < ended.started_at
    assert 0.1 < ended.wall_seconds < 20

"""kill -9 of an evaluation or of its trainer: nothing that ended is trained again, nothing is read twice."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from results.db.store import Store
from results.db.tables import Trial
from results.errors import StoreError
from tests.orchestrator._processes import eventually, naming
from tests.orchestrator._studies import command, record, trials

PAIRS = ("--model", "senet18", "--recipe", "nomad_haet", "--recipe", "resnet9_sam_ip", "--runs", "3")
ARGUMENTS = (*PAIRS, "--study", "s", "--budget", "10steps", "--slots", "2")


@pytest.mark.slow
def test_an_evaluation_survives_a_kill_of_it_and_of_a_trainer(tmp_path: Path) -> None:
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    ended = evaluation(calm, "fake:sleep=0")
    assert ended.wait(60) == 0
    first = evaluation(harried, "fake:sleep=.4")
    assert eventually(lambda: len(completed(harried)) >= 2, 60)
    first.kill()
    first.wait()
    before = {row.number: row.finished_at for row in completed(harried)}
    assert eventually(lambda: naming(harried) == []), "a trial outlived its study"
    second = evaluation(harried, "fake:sleep=.4")
    assert eventually(lambda: bool(naming(harried / "s")) or second.poll() is not None, 60)
    for pid in naming(harried / "s")[:1]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert second.wait(60) == 0
    after = {row.number: row for row in trials(harried)}
    assert {number: after[number].finished_at for number in before} == before
    assert [accuracy(row) for row in trials(harried)] == [accuracy(row) for row in trials(calm)]
    assert len(record(harried)) == 6
    assert readings(harried) == [row.id for row in trials(harried)]


def evaluation(folder: Path, data: str) -> subprocess.Popen[bytes]:
    words = command(folder, *ARGUMENTS, "--data", data, program="nas_evaluate")
    return subprocess.Popen(words, stdout=subprocess.DEVNULL)


def completed(folder: Path) -> list[Trial]:
    """Those on record by now; none before there is a record."""
    with suppress(StoreError, AssertionError):
        return [row for row in trials(folder) if row.state == "completed"]
    return []


def accuracy(row: Trial) -> tuple[int, str, float | None]:
    return row.number, row.state, row.test_accuracy


def readings(folder: Path) -> list[int]:
    with Store(folder / "results.db", read_only=True) as store:
        study = store.study("s")
        assert study is not None
        return sorted(e.trial_id or 0 for e in store.events(study.id) if e.kind == "test_read")

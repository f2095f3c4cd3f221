"""What a trainer does wrong, for real: a reason that a user understands, no orphan, no full disk."""

import io
import math
import re
import shlex
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.executors import Executor, ExecutorError, local
from orchestrator.executors._process import limits as _limits
from orchestrator.spec import limits as trial_limits
from orchestrator.spec.command_options import BadOption
from orchestrator.trial import runner
from results.db.store import Store
from results.db.tables import Event
from tests.orchestrator._forks import train
from tests.orchestrator._processes import HOSTED, eventually, job, naming, training
from tests.orchestrator._studies import evaluate, record, run, settled, trials
from tests.thinned import rest_slow

SAID = {  # what is on record of each fault: its reason, and words of its message
    "nan": ("no_result", r"exited 0 with val_accuracy nan, which is not a fraction in \[0, 1\]; see"),
    "inf": ("no_result", r"exited 0 with val_accuracy inf, which is not a fraction in \[0, 1\]; see"),
    "noresult": ("no_result", "exited 0 without a final line; see .*log.txt"),
    "garbage": ("bad_report", "line 3 of .*metrics.jsonl is not JSON: 'this is not JSON'"),
    "twice": ("bad_report", "has 2 final events; a training has exactly one"),
    "crash=1": ("crashed", "exit code 1: RuntimeError: crashed as asked; see .*log.txt"),
    "oom=1": ("out_of_memory", "out of memory as asked; ask for less"),
    "diverge_above=-1": ("diverged", "the loss is not finite, as asked"),
    "leak=self": ("host_memory", r"out of host memory: used .* MB, limit 150.0 MB \(--max-memory\)"),
    "leak=session,hang": ("host_memory", "out of host memory: used .* MB, limit 150.0 MB"),
    "flood=stdout": ("too_much_output", "printed more than 67.1 MB to stdout, which is only for JSON lines"),
    "hang,grandchild=session": ("timeout", "did not end and was stopped after \\d+ s"),
}
ALIKE = ("inf", "diverge_above=-1", "leak=self")  # another one of the same kind stands beside each


@pytest.fixture(autouse=True)
def _no_orphan(tmp_path: Path) -> Iterator[None]:
    yield
    assert eventually(lambda: naming(tmp_path) == [])


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize("fault", ["nan", "noresult", "garbage", "twice", "flood=stdout"])
def test_the_page_about_faults_has_the_words_that_are_read(fault: str) -> None:
    reason, message = SAID[fault]
    rows = (Path(__file__).parents[2] / "docs" / "faults.md").read_text().splitlines()
    assert any(f"`{reason}`" in row and re.search(message, row) for row in rows)


def train_once(folder: Path, fault: str, **given: Any) -> None:
    asked = {"runs": 1, "no_test": True, "executor": "local", "max_memory": "150MB", **given}
    if "validation_images" not in asked:
        asked["validation_images"] = 100
    evaluate(folder, data=f"fake:{fault}", **asked)


def lost(folder: Path) -> list[Event]:
    with Store(folder / "results.db", read_only=True) as store:
        return [event for event in store.events(store.studies()[0].id) if event.kind == "trial_lost"]


@pytest.mark.parametrize("fault", rest_slow(SAID, [fault for fault in SAID if fault not in ALIKE]))
def test_each_fault_of_a_trainer_is_a_failed_trial_that_says_why(tmp_path: Path, fault: str) -> None:
    train_once(tmp_path, fault, **({"timeout": 0.3} if fault.startswith("hang") else {}))
    [row] = trials(tmp_path)
    reason, message = SAID[fault]
    assert (row.state, row.reason, row.attempts, row.val_accuracy) == ("failed", reason, 1, None)
    assert re.search(message, row.message or ""), row.message
    assert lost(tmp_path) == []
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 20e6


@pytest.mark.slow
def test_a_trainer_deaf_to_sigterm_is_killed_with_all_it_left_behind(tmp_path: Path) -> None:
    train_once(tmp_path, "hang,ignore_sigterm,grandchild=daemon", timeout=0.5)
    [row] = trials(tmp_path)
    assert (row.state, row.reason) == ("failed", "timeout")


@pytest.mark.parametrize("trainer", [None, shlex.join(HOSTED)], ids=["process", "fork"])
def test_a_flooded_log_keeps_its_head_and_tail_and_the_training_its_result(
    tmp_path: Path, trainer: str | None
) -> None:
    words = HOSTED if trainer else ()
    executor = local.create("cpu", slots=1, trainer=words)
    flooding = training(tmp_path / "t", "fake:flood=stderr", timeout_seconds=1.0)
    executor.run(replace(flooding, stderr_bytes=1_000_000), threading.Event())
    executor.close()
    log = (tmp_path / "t" / "err").read_bytes()
    assert len(log) < 1_000_000
    assert log.count(b"lines left out here: this log is kept to 1.0 MB") == 1
    head, _, tail = log.partition(b"[...")
    assert head.startswith(b'{"event": "flood"}\n')
    assert tail.count(b'{"event": "flood"}\n') > 1000


def test_a_log_within_its_limit_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("a line\n" * 100)
    _limits.cut(tmp_path / "log.txt", 700)
    assert (tmp_path / "log.txt").read_text() == "a line\n" * 100


class Endless(io.FileIO):
    """A log that grows faster than it is read."""

    def readall(self) -> bytes:
        raise AssertionError("its end never comes")


def test_a_log_that_grows_faster_than_it_is_read_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log.txt").write_text("a line\n" * 1000)
    monkeypatch.setattr(Path, "open", lambda path, mode: io.BufferedRandom(Endless(path, mode)))
    _limits.cut(tmp_path / "log.txt", 700)
    assert (tmp_path / "log.txt").stat().st_size < 700


def test_a_flood_of_a_fork_ends_it_as_that_of_a_process(executor: Executor, tmp_path: Path) -> None:
    flooding = train(tmp_path / "t", "flood=stdout")
    ended = executor.run(replace(flooding, stdout_bytes=1_000_000), threading.Event())
    assert (ended.code, ended.reason) == (-9, "output")
    assert ended.said == "printed more than 1.0 MB to stdout, which is only for JSON lines"
    assert (tmp_path / "t" / "out").stat().st_size == 1_000_000


@pytest.mark.parametrize("kind", rest_slow(["self", "session,hang"], ["session,hang"]))
def test_a_leak_of_a_fork_ends_it_as_that_of_a_process(executor: Executor, tmp_path: Path, kind: str) -> None:
    ended = executor.run(replace(train(tmp_path / "t", f"leak={kind}"), memory_bytes=2e8), threading.Event())
    assert ended.reason == "memory"
    assert re.fullmatch(
        r"out of host memory: used \d{3,4}.\d MB, limit 200.0 MB \(--max-memory\)", ended.said
    )


def test_pages_that_processes_share_are_counted_once(tmp_path: Path) -> None:
    source = "import os, time; held = bytearray(b'x') * 100_000_000; "
    source += "os.fork(); os.fork(); time.sleep(600)"
    executor, stop = local.create("cpu", slots=1), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sharing = replace(job(tmp_path / "t", "-c", source), memory_bytes=2e8)
        running = pool.submit(executor.run, sharing, stop)
        time.sleep(1)  # four processes of 100 MB each, which have 100 MB
        assert not running.done()
        stop.set()
        assert running.result().reason == "stopped"


def test_a_training_may_use_nine_tenths_of_the_machine_unasked(tmp_path: Path) -> None:
    words = Path("/proc/meminfo").read_text().split()
    total = 1024 * int(words[words.index("MemTotal:") + 1])
    assert 0 < _limits.usual_memory_bytes() <= 0.9 * total + 1
    assert settled(tmp_path).limits.memory_bytes is None
    assert settled(tmp_path, max_memory="none").limits.memory_bytes == math.inf


@pytest.mark.parametrize(
    ("text", "size"), [("8GB", 8e9), ("8 gb", 8e9), ("1.5G", 1.5e9), ("6GiB", 6 * 2**30), ("5000000", 5e6)]
)
def test_an_amount_of_memory_is_read_as_people_write_it(text: str, size: float) -> None:
    assert trial_limits.memory_bytes(text) == size


@pytest.mark.parametrize(
    "given", [{"max_memory": "8"}, {"max_memory": "lots"}, {"max_memory": "-1GB"}, {"retries": -1}]
)
def test_limits_that_are_none_are_refused_with_what_to_give(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(
        BadOption, match=r"--(max-memory|retries) .*; (write it like|give)|out of range; give 0"
    ):
        settled(tmp_path, **given)


def test_a_training_killed_every_time_has_failed_with_each_attempt_on_record(tmp_path: Path) -> None:
    train_once(tmp_path, "killed=1", retries=3)
    [row] = trials(tmp_path)
    assert (row.state, row.reason, row.attempts) == ("failed", "killed", 4)
    assert row.message == "killed from outside by signal 9 (the kernel's, where memory ran out?)"
    told = [event.detail for event in lost(tmp_path)]
    assert [detail["attempt"] for detail in told] == [1, 2, 3, 4]
    assert {detail["reason"] for detail in told} == {"killed"}
    assert all(detail["wall_seconds"] > 0 and detail["slot"] == "cpu-0" for detail in told)
    aside = sorted(path.name for path in (tmp_path / "s" / "00001").glob("attempt-*"))
    assert aside == ["attempt-1", "attempt-2", "attempt-3"]
    assert "fake" in (tmp_path / "s" / "00001" / "attempt-1" / "metrics.jsonl").read_text()


def test_a_crash_of_native_code_is_tried_again_and_then_called_one(tmp_path: Path) -> None:
    train_once(tmp_path, "segfault=1", retries=1)
    [row] = trials(tmp_path)
    assert (row.state, row.reason, row.attempts) == ("failed", "crashed", 2)
    assert row.message == "crashed by signal 11 (SIGSEGV): native code, a driver or memory failed"


def test_a_chain_of_forks_is_counted_however_long_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_limits, "PROC", tmp_path)
    for pid in range(1, 1200):
        task = tmp_path / str(pid) / "task" / str(pid)
        task.mkdir(parents=True)
        (task / "children").write_text(f"{pid + 1} ")
    assert _limits.descendants(1) == list(range(2, 1201))


def test_a_gpu_that_is_lost_every_time_ends_the_study_and_blames_no_trial(tmp_path: Path) -> None:
    with pytest.raises(
        ExecutorError, match=r"trial 1 was lost 2 times: the GPU fell off the bus.*same command"
    ):
        train_once(tmp_path, "device_lost=1", retries=1)
    [row] = trials(tmp_path)
    assert (row.state, row.reason, row.attempts) == ("running", None, 2)
    with Store(tmp_path / "results.db", read_only=True) as store:
        [study] = store.studies()
    assert study.state == "failed"
    assert "fell off the bus" in (study.message or "")


def test_what_a_trainer_did_itself_is_never_tried_again(tmp_path: Path) -> None:
    train_once(tmp_path, "diverge_above=-1", retries=9)
    assert [row.attempts for row in trials(tmp_path)] == [1]


@pytest.mark.slow
def test_a_study_whose_trainings_are_killed_now_and_then_ends_as_one_undisturbed(tmp_path: Path) -> None:
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    asked: dict[str, Any] = {"executor": "local", "trials": 10, "retries": 20}
    run(calm, **asked, data="fake:")
    run(harried, **asked, data="fake:killed=0.3,device_lost=0.2")
    told = [{**row, "network_key": ""} for row in record(harried)]
    assert told == [{**row, "network_key": ""} for row in record(calm)]
    assert lost(harried)

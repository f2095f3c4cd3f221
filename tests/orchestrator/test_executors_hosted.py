"""Trainings as forks of a host: nothing that is killed leaves a process, and nothing that fails a trial."""

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.executors import STOPPED, Executor, ExecutorError, Exit, Job, _hosted, local
from tests.orchestrator._a_study import study, two_pretend_gpus
from tests.orchestrator._processes import FAKE_TRAINER, HOSTING_TRAINER, eventually, job, naming, training
from tests.orchestrator.test_executors_gpus import free

ROOT = Path(__file__).parents[2]


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A trainer that knows `host`, under a name of this test's own; no process of it outlives the test."""
    (tmp_path / "hosting.py").symlink_to(HOSTING_TRAINER)
    yield sys.executable, str(tmp_path / "hosting.py")
    assert eventually(lambda: naming(tmp_path) == [], 3)


@pytest.fixture
def executor(trainer: tuple[str, str]) -> Iterator[Executor]:
    opened = local.create("cpu", slots=1, trainer=trainer)
    yield opened
    opened.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def train(folder: Path, fault: str = "", **limits: float) -> Job:
    """A job of the test's trainer in a new folder."""
    grace_seconds = limits.pop("grace_seconds", 0.3)
    return training(
        folder, f"fake:{fault}", grace_seconds=grace_seconds, program=folder.parent / "hosting.py"
    )


def begun(pool: ThreadPoolExecutor, executor: Executor, folder: Path, fault: str) -> Future[Exit]:
    """A training that has got as far as its `machine` event."""
    running = pool.submit(executor.run, train(folder, fault), threading.Event())
    assert eventually(lambda: has_begun(folder))
    return running


def has_begun(folder: Path) -> bool:
    return (folder / "out").exists() and '"machine"' in (folder / "out").read_text()


def first_process(folder: Path) -> int:
    """Of the trial that runs there: the one that leads a session and is no guard."""
    guards = naming("_guard.py")
    return next(pid for pid in naming(folder) if os.getsid(pid) == pid and pid not in guards)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def was_forked(pid: int) -> bool:
    return b"\0host\0" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_training_is_a_fork_of_the_host_and_ends_like_any(
    executor: Executor, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    running = begun(pool, executor, tmp_path / "t", "sleep=.3")
    assert was_forked(first_process(tmp_path / "t"))
    ended = running.result()
    events = [json.loads(line)["event"] for line in (tmp_path / "t" / "out").read_text().splitlines()]
    assert (ended.code, ended.reason, ended.slot) == (0, "exited", "cpu-0")
    assert (events[0], events[-1]) == ("model", "final")
    assert (tmp_path / "t" / "err").read_text() == ""


def test_a_job_that_is_no_training_is_a_fresh_process(
    executor: Executor, trainer: tuple[str, str], tmp_path: Path
) -> None:
    assert executor.run(job(tmp_path / "t", trainer[1], "models"), threading.Event()).code == 0
    assert '"senet18"' in (tmp_path / "t" / "out").read_text()


def test_a_fork_is_pinned_and_has_the_environment_of_its_slot(
    trainer: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = two_pretend_gpus(tmp_path / "locks", trainer=trainer)
    monkeypatch.setenv("MINE", "set after the host had started")
    monkeypatch.setenv("TRIAL_SOURCE", "import json, os; print(json.dumps(dict(os.environ)))")
    executor.run(train(tmp_path / "t"), threading.Event())
    executor.close()
    seen = json.loads((tmp_path / "t" / "out").read_text())
    assert seen == {**os.environ, "CUDA_VISIBLE_DEVICES": "GPU-a", "PYTHONUNBUFFERED": "1"}


def test_forks_on_two_slots_run_at_once(trainer: tuple[str, str], tmp_path: Path) -> None:
    executor = local.create("cpu", slots=2, trainer=trainer)
    jobs = [train(tmp_path / name, "sleep=.5") for name in ("a", "b")]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda one: executor.run(one, threading.Event()), jobs)
    executor.close()
    assert first.started_at < second.ended_at
    assert second.started_at < first.ended_at


@pytest.mark.parametrize("fault", ["", ",ignore_sigterm", ",grandchild=session", ",grandchild=daemon"])
def test_forks_end_when_their_study_is_killed(trainer: tuple[str, str], tmp_path: Path, fault: str) -> None:
    with study(tmp_path, 2, f"fake:hang{fault}", trainer=trainer) as killed:
        assert eventually(lambda: has_begun(tmp_path / "0") and has_begun(tmp_path / "1"))
        assert was_forked(first_process(tmp_path / "0"))
        killed.kill()
    assert eventually(lambda: naming(tmp_path) == [], 3)


@pytest.mark.parametrize("seed", range(5))
def test_forks_end_when_their_study_is_killed_as_they_start(
    trainer: tuple[str, str], tmp_path: Path, seed: int
) -> None:
    with study(tmp_path, 2, "fake:hang,ignore_sigterm", trainer=trainer) as killed:
        assert eventually(lambda: (tmp_path / "1" / "trial.json").exists())
        time.sleep(random.Random(seed).uniform(0, 0.1))
        killed.kill()
    assert eventually(lambda: naming(tmp_path) == [], 3)


def test_a_process_that_the_study_forked_keeps_neither_host_nor_fork_alive(
    trainer: tuple[str, str], tmp_path: Path
) -> None:
    source = (
        "import os, sys, threading, time; from pathlib import Path; "
        "from orchestrator.executors import local; "
        "from tests.orchestrator._processes import training; "
        "fork = lambda slot: os.fork() or time.sleep(600); "
        "executor = local.create('cpu', trainer=(sys.executable, sys.argv[2])); "
        "job = training(Path(sys.argv[1]), 'fake:hang', program=sys.argv[2]); "
        "executor.run(job, threading.Event(), fork)"
    )
    words = [sys.executable, "-c", source, str(tmp_path / "t"), trainer[1]]
    with subprocess.Popen(words, cwd=ROOT) as killed:
        assert eventually(lambda: has_begun(tmp_path / "t"))
        assert was_forked(first_process(tmp_path / "t"))
        killed.kill()
    try:
        assert eventually(lambda: not any(map(was_forked, naming(trainer[1]))), 3)
    finally:
        (left,) = naming(trainer[1])
        os.kill(left, signal.SIGKILL)


def test_a_gpu_stays_locked_until_the_fork_of_a_killed_study_is_gone(
    trainer: tuple[str, str], tmp_path: Path
) -> None:
    lock = tmp_path / "locks" / "GPU-a.lock"
    with study(tmp_path, 1, "fake:hang,ignore_sigterm", lock.parent, trainer) as killed:
        assert eventually(lambda: has_begun(tmp_path / "0"))
        killed.kill()
    clock = time.monotonic()
    assert eventually(lambda: free(lock), 3)
    assert naming(tmp_path / "0") == []
    assert time.monotonic() - clock > 0.2  # the trial's grace is .3 seconds


def test_a_killed_fork_is_told_and_takes_its_children_along(
    executor: Executor, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    running = begun(pool, executor, tmp_path / "t", "grandchild=child,hang")
    os.kill(first_process(tmp_path / "t"), signal.SIGKILL)
    ended = running.result(timeout=3)
    assert (ended.code, ended.reason) == (-signal.SIGKILL, "exited")
    assert naming(tmp_path / "t") == []


def test_a_fork_dies_with_its_warden_and_a_daemon_with_both(
    executor: Executor, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    running = begun(pool, executor, tmp_path / "t", "grandchild=daemon,hang,ignore_sigterm")
    assert eventually(lambda: len(naming(tmp_path / "t")) == 2)
    os.kill(parent(first_process(tmp_path / "t")), signal.SIGKILL)
    ended = running.result(timeout=3)
    assert (ended.code, ended.reason) == (-signal.SIGKILL, "exited")
    assert eventually(lambda: naming(tmp_path / "t") == [], 1)


def test_a_fork_outlives_its_host_and_the_trainings_after_it_are_run_all_the_same(
    executor: Executor, pool: ThreadPoolExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = begun(pool, executor, tmp_path / "0", "sleep=.4")
    os.kill(parent(parent(first_process(tmp_path / "0"))), signal.SIGKILL)
    assert running.result().code == 0
    assert caplog.messages == []
    forked = []
    for name in ("1", "2"):
        running = begun(pool, executor, tmp_path / name, "sleep=.2")
        forked.append(was_forked(first_process(tmp_path / name)))
        assert running.result().code == 0
    assert forked == [False, True]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "this training is a fresh process instead (host 1 of 3)" in caplog.text


def test_a_trainer_that_knows_no_host_is_no_cause_for_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    executor = local.create("cpu", slots=1, trainer=(sys.executable, str(FAKE_TRAINER)))
    for _ in range(2):
        assert executor.run(training(tmp_path, program=FAKE_TRAINER), threading.Event()).code == 0
    executor.close()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "the trainer knows no host; every training is a fresh process")
    ]


def test_a_program_that_does_not_exist_is_an_error_with_a_host_too(tmp_path: Path) -> None:
    executor = local.create("cpu", slots=1, trainer=("no-such-trainer",))
    missing = replace(job(tmp_path), command=("no-such-trainer", "train"))
    with pytest.raises(ExecutorError, match="cannot run 'no-such-trainer': No such file"):
        executor.run(missing, threading.Event())
    executor.close()


def test_hosts_that_cannot_serve_are_given_up_after_three(
    trainer: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HOST_FAULT", "broken")
    executor = local.create("cpu", slots=1, trainer=trainer)
    assert [executor.run(train(tmp_path / "t"), threading.Event()).code for _ in range(5)] == [0] * 5
    executor.close()
    assert len(caplog.records) == 3
    assert "ImportError: broken as asked" in caplog.messages[0]
    assert "(host 3 of 3)" in caplog.messages[2]


def test_a_stop_does_not_wait_for_a_host_that_still_imports(
    trainer: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor
) -> None:
    monkeypatch.setenv("HOST_FAULT", "slow")
    executor, stop, told = local.create("cpu", slots=1, trainer=trainer), threading.Event(), list[str]()
    running = pool.submit(executor.run, train(tmp_path / "t", "hang"), stop, told.append)
    assert eventually((tmp_path / "t" / "out").exists)
    stop.set()
    ended = running.result(timeout=0.5)
    assert (ended.code, ended.reason, told) == (STOPPED, "stopped", [])
    time.sleep(1.2)  # the host is through with its imports and has heard of the trial
    assert naming(tmp_path / "t") == []
    assert (tmp_path / "t" / "out").read_text() == ""
    executor.close()


def test_a_program_that_never_greets_is_no_host(
    trainer: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HOST_FAULT", "deaf")
    monkeypatch.setattr(_hosted, "GREETING_SECONDS", 0.2)
    caplog.set_level(logging.INFO)
    executor = local.create("cpu", slots=1, trainer=trainer)
    assert executor.run(train(tmp_path / "t"), threading.Event()).code == 0
    assert "knows no host" in caplog.text
    executor.close()


def test_an_unwritable_report_is_an_error_with_a_host_too(executor: Executor, tmp_path: Path) -> None:
    one = train(tmp_path / "t")
    shutil.rmtree(tmp_path / "t")
    with pytest.raises(FileNotFoundError, match="t/out"):
        executor.run(one, threading.Event())
    assert executor.run(train(tmp_path / "t"), threading.Event()).code == 0


def test_closing_ends_the_host_at_once(trainer: tuple[str, str], tmp_path: Path) -> None:
    executor = local.create("cpu", slots=1, trainer=trainer)
    assert eventually(lambda: naming(tmp_path) != [])
    executor.close()
    assert naming(tmp_path) == []
    assert executor.run(train(tmp_path / "t"), threading.Event()).reason == "stopped"

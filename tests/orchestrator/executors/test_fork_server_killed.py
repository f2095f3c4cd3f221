"""No fork of a host is left over, whoever is killed with SIGKILL and whenever; and no host."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.executors import Executor, local
from tests.orchestrator._a_study import study
from tests.orchestrator._forks import begun, first_process, has_begun, host_of, train, was_forked
from tests.orchestrator._processes import eventually, naming, parent
from tests.orchestrator.executors.test_gpus import free
from tests.thinned import rest_slow

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "fault",
    rest_slow(["", ",ignore_sigterm", ",grandchild=session", ",grandchild=daemon"], [",grandchild=daemon"]),
)
def test_forks_end_when_their_study_is_killed(trainer: tuple[str, str], tmp_path: Path, fault: str) -> None:
    with study(tmp_path, 2, f"fake:hang{fault}", trainer=trainer) as killed:
        assert eventually(lambda: has_begun(tmp_path / "0") and has_begun(tmp_path / "1"))
        assert was_forked(first_process(tmp_path / "0"))
        killed.kill()
    assert eventually(lambda: naming(tmp_path) == [])


@pytest.mark.parametrize("seed", rest_slow(range(5), [0, 1]))
def test_forks_end_when_their_study_is_killed_as_they_start(
    trainer: tuple[str, str], tmp_path: Path, seed: int
) -> None:
    with study(tmp_path, 2, "fake:hang,ignore_sigterm", trainer=trainer) as killed:
        assert eventually(lambda: (tmp_path / "1" / "trial.json").exists())
        time.sleep(random.Random(seed).uniform(0, 0.1))
        killed.kill()
    assert eventually(lambda: naming(tmp_path) == [])


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
        assert eventually(lambda: not any(map(was_forked, naming(trainer[1]))))
    finally:
        (left,) = naming(trainer[1])
        os.kill(left, signal.SIGKILL)


def test_a_gpu_stays_locked_until_the_fork_of_a_killed_study_is_gone(
    trainer: tuple[str, str], tmp_path: Path
) -> None:
    lock = tmp_path / "locks" / "GPU-a.lock"
    with study(tmp_path, 1, "fake:hang,ignore_sigterm", lock.parent, trainer) as killed:
        assert eventually(lambda: has_begun(tmp_path / "0"))
        clock = time.monotonic()
        killed.kill()
    assert eventually(lambda: free(lock))
    assert naming(tmp_path / "0") == []
    assert time.monotonic() - clock > 0.2  # the trial's grace is .3 seconds


def test_a_killed_fork_is_told_and_takes_its_children_along(
    executor: Executor, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    running = begun(pool, executor, tmp_path / "t", "grandchild=child,hang")
    os.kill(first_process(tmp_path / "t"), signal.SIGKILL)
    ended = running.result(timeout=60)
    assert (ended.code, ended.reason) == (-signal.SIGKILL, "exited")
    assert naming(tmp_path / "t") == []


def test_a_fork_dies_with_its_supervisor_and_a_daemon_with_both(
    executor: Executor, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    running = begun(pool, executor, tmp_path / "t", "grandchild=daemon,hang,ignore_sigterm")
    assert eventually(lambda: len(naming(tmp_path / "t")) == 2)
    os.kill(parent(first_process(tmp_path / "t")), signal.SIGKILL)
    ended = running.result(timeout=60)
    assert (ended.code, ended.reason) == (-signal.SIGKILL, "lost")
    assert eventually(lambda: naming(tmp_path / "t") == [])


def test_a_fork_outlives_its_host_and_the_trainings_after_it_are_run_all_the_same(
    executor: Executor, pool: ThreadPoolExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = begun(pool, executor, tmp_path / "0", "sleep=.4")
    os.kill(host_of(tmp_path / "0"), signal.SIGKILL)
    assert running.result().code == 0
    assert caplog.messages == []
    forked = []
    for name in ("1", "2"):
        running = begun(pool, executor, tmp_path / name, "sleep=.2")
        forked.append(was_forked(first_process(tmp_path / name)))
        assert running.result().code == 0
    assert forked == [False, True]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "this training runs in a new process (server 1 of 3)" in caplog.text


def test_a_killed_host_is_missed_at_once_while_a_fork_of_it_goes_on(
    trainer: tuple[str, str], pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    executor = local.create("cpu", slots=2, trainer=trainer)
    going_on = begun(pool, executor, tmp_path / "0", "hang")
    os.kill(host_of(tmp_path / "0"), signal.SIGKILL)
    assert executor.run(train(tmp_path / "1"), threading.Event()).wall_seconds < 20
    assert not going_on.done()
    executor.close()
    assert going_on.result().reason == "stopped"

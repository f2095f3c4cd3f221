"""No process is left over, whoever is killed with SIGKILL and whenever."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.executors import local
from tests.orchestrator._a_study import study
from tests.orchestrator._processes import eventually, naming, training
from tests.thinned import rest_slow

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder named by the command line of everything that a test starts."""
    yield tmp_path
    assert eventually(lambda: naming(tmp_path) == [])


def trainers(folder: Path) -> list[int]:
    """The trials that have begun to train and are alive: their own processes and what they left behind."""
    begun = [out for out in folder.glob("*/out") if "machine" in out.read_text()]
    supervisors = naming("supervisor.py")
    return [pid for out in begun for pid in naming(out.with_name("trial.json")) if pid not in supervisors]


@pytest.mark.parametrize(
    "fault",
    rest_slow(["", ",ignore_sigterm", ",grandchild=session", ",grandchild=daemon"], [",grandchild=daemon"]),
)
def test_trials_end_when_their_study_is_killed(folder: Path, fault: str) -> None:
    with study(folder, 2, f"fake:hang{fault}") as killed:
        assert eventually(lambda: len(trainers(folder)) >= 2)
        killed.kill()
        assert eventually(lambda: naming(folder) == [])


@pytest.mark.parametrize("seed", rest_slow(range(5), [0, 1]))
def test_trials_end_when_their_study_is_killed_as_they_start(folder: Path, seed: int) -> None:
    with study(folder, 2, "fake:hang,ignore_sigterm") as killed:
        assert eventually(lambda: (folder / "1" / "trial.json").exists())  # the first trial is about to start
        time.sleep(random.Random(seed).uniform(0, 0.1))
        killed.kill()
        assert eventually(lambda: naming(folder) == [])


def test_a_process_that_the_study_forked_does_not_keep_its_trials_alive(folder: Path) -> None:
    source = (
        "import os, sys, threading, time; from pathlib import Path; "
        "from orchestrator.executors import local; "
        "from tests.orchestrator._processes import training; "
        "fork = lambda slot: os.fork() or time.sleep(600); "
        "local.create('cpu').run(training(Path(sys.argv[1]), 'fake:hang'), threading.Event(), fork)"
    )
    with subprocess.Popen([sys.executable, "-c", source, folder / "0"], cwd=ROOT) as killed:
        assert eventually(lambda: trainers(folder) != [])
        killed.kill()
    assert eventually(lambda: naming(folder / "0" / "trial.json") == [])
    (forked,) = naming(folder)
    os.kill(forked, signal.SIGKILL)


def test_a_trial_dies_with_its_supervisor(folder: Path) -> None:
    executor = local.create("cpu", slots=1)
    with ThreadPoolExecutor(1) as pool:
        hanging = training(folder, "fake:hang,ignore_sigterm,grandchild=child")
        running = pool.submit(executor.run, hanging, threading.Event())
        assert eventually(lambda: "machine" in (folder / "out").read_text() if naming(folder) else False)
        (supervisor,) = set(naming("supervisor.py")) & set(naming(folder))
        os.kill(supervisor, signal.SIGKILL)
        ended = running.result(timeout=60)
    assert (ended.code, ended.reason) == (-signal.SIGKILL, "lost")
    assert eventually(lambda: naming(folder) == [])


def test_a_killed_trial_is_told_and_takes_its_children_along(folder: Path) -> None:
    executor = local.create("cpu", slots=1)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(executor.run, training(folder / "0", "fake:hang"), threading.Event())
        assert eventually(lambda: trainers(folder) != [])
        os.kill(trainers(folder)[0], signal.SIGKILL)
        ended = running.result(timeout=60)
    assert (ended.code, ended.reason) == (-signal.SIGKILL, "exited")
    assert naming(folder) == []

"""Trainings of a trainer that knows `host`, and how to tell its processes apart."""

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from orchestrator.executors import Executor, Exit, Job
from tests.orchestrator._processes import command_line, eventually, naming, parent, training


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
    """Of the trial that runs there: the one that leads a session and is no supervisor."""
    supervisors = naming("supervisor.py")
    return next(pid for pid in naming(folder) if os.getsid(pid) == pid and pid not in supervisors)


def host_of(folder: Path) -> int:
    """The host whose fork trains there; a fresh process has the tests' own in its place."""
    pid = first_process(folder)
    assert was_forked(pid), "no host forked it"
    return parent(parent(pid))


def was_forked(pid: int) -> bool:
    return b"\0host\0" in command_line(pid)

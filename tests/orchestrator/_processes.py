"""What runs on this machine, as /proc tells it."""

import os
import py_compile
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from orchestrator.executors import Job

TESTS = Path(__file__).resolve().parents[1]
# compiled, for studies run it thousands of times, and compiling it takes half of a trial
FAKE_TRAINER = Path(py_compile.compile(str(TESTS / "fake_trainer.py"), doraise=True) or "")
HOSTING_TRAINER = TESTS / "hosting_trainer.py"  # the same, but it knows `host`
HOSTED = (sys.executable, str(HOSTING_TRAINER))  # an executor that is given this forks its trainings


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def parent(pid: int) -> int:
    """0 of a process that is gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def command_line(pid: int) -> bytes:
    """With NUL between words; empty of a process that is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def naming(text: str | Path) -> list[int]:
    """The processes with this text in their command line or, as forks have another's, their folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes() + b" " + os.readlink(folder / "cwd").encode() + b"/"
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(text).encode() in words and alive(int(folder.name)):
            found.append(int(folder.name))
    return found


def eventually(holds: Callable[[], bool], seconds: float = 60.0, pause: float = 0.05) -> bool:
    """Whether it comes true, however busy the machine; within the time, for a test must end."""
    began = time.monotonic()
    while not holds():
        waited = time.monotonic() - began
        if waited > seconds:
            return False
        time.sleep(min(pause, 0.01 + waited / 20))  # looking is work, and others wait for the processor
    return True


def job(folder: Path, *command: str | Path, timeout_seconds: float = 30.0, grace_seconds: float = 5.0) -> Job:
    """A job of this Python with the given arguments, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    words = (sys.executable, *map(str, command))
    return Job(words, folder, folder / "out", folder / "err", timeout_seconds, grace_seconds)


def training(
    folder: Path,
    dataset: str = "fake:",
    *,
    timeout_seconds: float = 30.0,
    grace_seconds: float = 5.0,
    program: str | Path = HOSTING_TRAINER,
) -> Job:
    """A job of the fake trainer, which an executor with a host forks and another starts."""
    folder.mkdir(exist_ok=True)
    config = folder / "trial.json"
    config.write_text(
        '{"protocol": 1, "model": "senet18", "subset": {"train": 500, "validation": 100, "seed": 0}, '
        f'"budget": {{"seconds": 1}}, "seed": 0, "dataset": "{dataset}"}}'
    )
    command = (program, "train", "--config", config)
    return job(folder, *command, timeout_seconds=timeout_seconds, grace_seconds=grace_seconds)

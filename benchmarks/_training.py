"""The trainer's program, run as an orchestrator runs it, and what its run came to.

A line's moment is when it was read here, so the seconds from start to first step hold what a user waits for.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer import config as configs

ROOT = Path(__file__).resolve().parents[1]
TRAINER = (sys.executable, "-P", "-m", "trainer")
NEWEST = asdict(configs.NEWEST)  # the `versions` of a trial.json by the newest rules
_NEVER_STARTED = -1


@dataclass(frozen=True)
class Training:
    """One run of the program.

    events: all lines; event_seconds: when each was read, since the process was started
    complaint: the last line of stderr; host_bytes: the most memory the process held
    """

    exit_code: int
    events: list[dict[str, Any]]
    event_seconds: list[float]
    wall_seconds: float
    host_bytes: int
    complaint: str

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of a name."""
        return [event for event in self.events if event["event"] == name]

    def last(self, name: str) -> dict[str, Any]:
        """The last event of a name; empty where there is none."""
        return next(reversed(self.named(name)), {})

    def seconds_to(self, name: str) -> float | None:
        """From the start of the process to the first event of a name."""
        pairs = zip(self.events, self.event_seconds, strict=True)
        return next((seconds for event, seconds in pairs if event["event"] == name), None)


def trained(config: dict[str, Any], program: Sequence[str] = TRAINER, threads: int = 1) -> Training:
    """Train a configuration in a process of its own."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log.txt", "w+") as log:
        path = Path(folder) / "trial.json"
        path.write_text(json.dumps(config))
        began = time.monotonic()
        process = subprocess.Popen(
            [*program, "train", "--config", str(path)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
        assert process.stdout is not None
        with process.stdout:
            read = [(json.loads(line), time.monotonic() - began) for line in process.stdout]
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_seconds = time.monotonic() - began
        log.seek(0)
        complaint = (log.read().splitlines() or [""])[-1]
    events, seconds = [event for event, _ in read], [moment for _, moment in read]
    return Training(process.returncode, events, seconds, wall_seconds, used.ru_maxrss * 1024, complaint)


def trained_all(
    configs: Sequence[dict[str, Any]],
    at_once: int,
    most_seconds: float,
    program: Sequence[str] = TRAINER,
    threads: int = 1,
) -> Iterator[tuple[int, Training]]:
    """Train all, a few at once; each one's index and run when it has ended, in that order.

    Once `most_seconds` are over none is started any more.
    """
    deadline = time.monotonic() + most_seconds
    stopped = threading.Event()

    def work(config: dict[str, Any]) -> Training:
        if stopped.is_set() or time.monotonic() > deadline:
            return Training(_NEVER_STARTED, [], [], 0.0, 0, "not started")
        return trained(config, program, threads)

    with ThreadPoolExecutor(at_once) as pool:
        indices = {pool.submit(work, config): index for index, config in enumerate(configs)}
        try:
            for done in as_completed(indices):
                training = done.result()
                if training.exit_code != _NEVER_STARTED:
                    yield indices[done], training
        finally:
            stopped.set()

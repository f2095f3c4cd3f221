"""Run one trial on the node that SLURM assigned, and write its result to a file.

This is the batch script of a job, `python -I -S batch_script.py FOLDER KEY`. It needs only the standard
library, and runs the trial with the supervisor and the limits of local trials. It ends its trial by itself
when it is no longer wanted: the job file in the folder belongs to another job, or SLURM has lost this node
and restarted the job elsewhere. If SLURM ends it (SIGTERM), it leaves no result, since the job may be
requeued. The orchestrator stops it with SIGUSR1.
"""

import json
import os
import signal
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run by its path, so that a node only needs to see this file
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from orchestrator.executors import STOPPED, ExecutorError, Job
from orchestrator.executors._process.slots import Held
from orchestrator.executors._process.supervised import run_supervised
from results import file_names

ORDER, BEGAN, RESULT = file_names.JOB, "job.began.json", "job.result.json"
MOST_REQUEUES = 3
LOOK_SECONDS = 5.0  # between two checks of whether the trial is still wanted
HEARSAY_SECONDS = 0.5  # for SLURM's signal to reach us as well, if it reached the trial first
ENDED_BY_SLURM = (STOPPED, -signal.SIGTERM, -signal.SIGKILL)


def main(folder: str, key: str) -> None:
    """Run the job file in `folder`, if it has the key `key` and no result yet."""
    attempt = Attempt(folder, key)
    order = attempt.order()
    if order is None or read(folder, RESULT).get("key") == key:
        return
    if attempt.restarts > MOST_REQUEUES:
        attempt.give_up()
        return
    attempt.say_begun()  # first, so that an earlier attempt cannot leave a result without its files
    attempt.run(job_of(order), order["environment"])


class Attempt:
    """One run of a job; SLURM may have run it before, and may run it again."""

    def __init__(self, folder: str, key: str) -> None:
        self.folder, self.key = folder, key
        self.restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        self.attempt = uuid.uuid4().hex  # a slurmctld that was killed may start a job twice
        self.node = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
        self.is_stopped = False  # by the orchestrator, or because it is not wanted any more
        self.is_ended = False  # by SLURM
        self.looked = time.monotonic()
        signal.signal(signal.SIGUSR1, self._stop)
        signal.signal(signal.SIGTERM, self._end)

    def order(self) -> dict[str, Any] | None:
        """Return the job file; None if it does not belong to this job any more."""
        order = read(self.folder, ORDER)
        return order if order.get("key") == self.key else None

    def say_begun(self) -> None:
        began = {"key": self.key, "attempt": self.attempt, "restarts": self.restarts}
        place = {"node": self.node, "job": os.environ.get("SLURM_JOB_ID")}
        write(self.folder, BEGAN, {**began, **place, "at": time.time()})

    def is_wanted(self) -> bool:
        is_latest = read(self.folder, BEGAN).get("attempt") == self.attempt
        return is_latest and self.order() is not None

    def give_up(self) -> None:
        now, said = time.time(), f"SLURM lost it {self.restarts} times, as often as it may be requeued"
        times = {"started": now, "ended": now, "wall_seconds": 0.0}
        self._leave(code=-signal.SIGKILL, reason="lost", said=said, **times)

    def run(self, job: Job, environment: dict[str, str]) -> None:
        for path in (
            job.stdout,
            job.stderr,
        ):  # an attempt that SLURM has given up may still write to the old files
            path.unlink(missing_ok=True)
        started, clock = time.time(), time.monotonic()
        ending = self._ending(job, {**os.environ, **environment})
        seconds = time.monotonic() - clock - (ending or {}).get("slept_seconds", 0.0)
        times = {"started": started, "ended": time.time(), "wall_seconds": seconds}
        if ending is not None and self.is_wanted():
            self._leave(**ending, **times)

    def _ending(self, job: Job, environment: dict[str, str]) -> dict[str, Any] | None:
        """Return how the trial ended; None if SLURM ended it."""
        try:
            ending = run_supervised(job, environment, Held(), self._is_over, lambda: None)
        except ExecutorError as error:
            return {"refused": str(error)}
        looks_so = ending.reason in ("stopped", "lost") or ending.code in ENDED_BY_SLURM
        if looks_so and not self.is_stopped:
            time.sleep(HEARSAY_SECONDS)
            if self.is_ended:
                return None
        return {
            "code": ending.code,
            "reason": ending.reason,
            "said": ending.said,
            "slept_seconds": ending.slept_seconds,
        }

    def _is_over(self) -> bool:
        """Whether to end the trial; called many times a second."""
        if time.monotonic() - self.looked > LOOK_SECONDS:
            self.looked = time.monotonic()
            self.is_stopped = self.is_stopped or not self.is_wanted()
        return self.is_stopped or self.is_ended

    def _leave(self, **result: Any) -> None:
        write(self.folder, RESULT, {"key": self.key, "node": self.node, **result})

    def _stop(self, *_: object) -> None:
        self.is_stopped = True

    def _end(self, *_: object) -> None:
        self.is_ended = True


def job_of(order: dict[str, Any]) -> Job:
    job = dict(order["job"])
    paths: dict[str, Any] = {name: Path(job.pop(name)) for name in ("folder", "stdout", "stderr")}
    return Job(tuple(job.pop("command")), **paths, **job)


def read(folder: str, name: str) -> dict[str, Any]:
    """Return the JSON object in a file, empty if there is none."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write(folder: str, name: str, value: dict[str, Any]) -> None:
    """Write the file completely or not at all."""
    new = os.path.join(folder, f"{name}.{os.uname().nodename}.{os.getpid()}")
    try:
        with open(new, "w", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, os.path.join(folder, name))
    except OSError:
        with suppress(OSError):
            os.unlink(new)
        raise


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

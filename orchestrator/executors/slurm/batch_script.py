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
from dataclasses import asdict
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run by its path, so that a node only needs to see this file
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from orchestrator.executors import STOPPED, ExecutorError, Job
from orchestrator.executors._process.files import JOB_FILE, replace_file
from orchestrator.executors._process.slots import trial_environment
from orchestrator.executors._process.supervised import Ending, SupervisedJob, run_supervised

BEGAN, RESULT = "job.began.json", "job.result.json"
MOST_REQUEUES = 3
CHECK_SECONDS = 5.0  # between two checks of whether the trial is still wanted
SIGNAL_SECONDS = 0.5  # for SLURM's signal to reach us as well, if it reached the trial first
ENDED_BY_SLURM = (STOPPED, -signal.SIGTERM, -signal.SIGKILL)


def main(folder: str, key: str) -> None:
    """Run the job file in `folder`, if it has the key `key` and no result yet."""
    attempt = Attempt(folder, key)
    contents = attempt.read_job()
    if contents is None or read(folder, RESULT).get("key") == key:
        return
    if attempt.restarts > MOST_REQUEUES:
        attempt.give_up()
        return
    attempt.write_begun()  # first, so that an earlier attempt cannot leave a result without its files
    attempt.run(parse_job(contents), contents["environment"])


class Attempt:
    """One run of a job; SLURM may have run it before, and may run it again."""

    def __init__(self, folder: str, key: str) -> None:
        self.folder, self.key = folder, key
        self.restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        self.attempt = uuid.uuid4().hex  # a slurmctld that was killed may start a job twice
        self.node = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
        self.is_stopped = False  # by the orchestrator, or because it is not wanted any more
        self.is_ended = False  # by SLURM
        self.checked_at = time.monotonic()
        signal.signal(signal.SIGUSR1, self._stop)
        signal.signal(signal.SIGTERM, self._end)

    def read_job(self) -> dict[str, Any] | None:
        """Return the job file; None if it does not belong to this job any more."""
        contents = read(self.folder, JOB_FILE)
        return contents if contents.get("key") == self.key else None

    def write_begun(self) -> None:
        began = {"key": self.key, "attempt": self.attempt, "restarts": self.restarts}
        place = {"node": self.node, "job": os.environ.get("SLURM_JOB_ID")}
        write(self.folder, BEGAN, {**began, **place, "at": time.time()})

    def is_wanted(self) -> bool:
        is_latest = read(self.folder, BEGAN).get("attempt") == self.attempt
        return is_latest and self.read_job() is not None

    def give_up(self) -> None:
        said = f"SLURM lost it {self.restarts} times, as often as it may be requeued"
        ending, now = Ending(-signal.SIGKILL, "lost", said), time.time()
        self._write_result(**asdict(ending), started=now, ended=now, wall_seconds=0.0)

    def run(self, job: Job, environment: dict[str, str]) -> None:
        for path in (job.stdout, job.stderr):
            path.unlink(missing_ok=True)  # an attempt that SLURM has given up may still write to it
        started, clock = time.time(), time.monotonic()
        try:
            ending = run_supervised(SupervisedJob(job, trial_environment(environment), self._is_over))
        except ExecutorError as error:
            if self.is_wanted():
                self._write_result(refused=str(error))
            return
        ended, seconds = time.time(), time.monotonic() - clock - ending.slept_seconds
        may_be_slurm = ending.reason in ("stopped", "lost") or ending.code in ENDED_BY_SLURM
        if may_be_slurm and not self.is_stopped:
            time.sleep(SIGNAL_SECONDS)
            if self.is_ended:
                return
        if self.is_wanted():
            self._write_result(**asdict(ending), started=started, ended=ended, wall_seconds=seconds)

    def _is_over(self) -> bool:
        """Whether to end the trial; called many times a second."""
        if time.monotonic() - self.checked_at > CHECK_SECONDS:
            self.checked_at = time.monotonic()
            self.is_stopped = self.is_stopped or not self.is_wanted()
        return self.is_stopped or self.is_ended

    def _write_result(self, **result: Any) -> None:
        write(self.folder, RESULT, {"key": self.key, "node": self.node, **result})

    def _stop(self, *_: object) -> None:
        self.is_stopped = True

    def _end(self, *_: object) -> None:
        self.is_ended = True


def parse_job(contents: dict[str, Any]) -> Job:
    job = dict(contents["job"])
    paths: dict[str, Any] = {name: Path(job.pop(name)) for name in ("folder", "stdout", "stderr")}
    return Job(tuple(job.pop("command")), **paths, **job)


def read(folder: str, name: str) -> dict[str, Any]:
    """Return the JSON object in a file, empty if there is none."""
    try:
        found = json.loads(Path(folder, name).read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write(folder: str, name: str, value: dict[str, Any]) -> None:
    """Write the file completely or not at all."""
    with replace_file(Path(folder, name)) as file:
        file.write(json.dumps(value).encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

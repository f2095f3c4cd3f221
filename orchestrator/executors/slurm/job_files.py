"""The files in a trial's folder through which a SLURM job and the orchestrator communicate.

`job.json` outlives the orchestrator that wrote it. A later orchestrator finds it and follows the job. A job
whose `job.json` is gone, or belongs to another job, ends by itself.
"""

import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.executors import Exit, Job, Reason
from orchestrator.executors._process.files import JOB_FILE, identify
from orchestrator.executors.slurm import batch_script
from orchestrator.executors.slurm.batch_script import BEGAN, RESULT

LOG = "slurm.log"  # output of the job itself, without its trial's


@dataclass(frozen=True)
class JobFile:
    """A job as it is submitted. `key` is its unique name in SLURM."""

    key: str
    job: Job
    is_kept: bool = False  # an earlier orchestrator submitted it, so SLURM may have it

    @property
    def folder(self) -> str:
        return str(self.job.folder)

    def read_begun(self) -> Mapping[str, Any] | None:
        """Where and when it was started, and how often before: node, at (seconds), restarts, job."""
        return self._read(BEGAN)

    def read_result(self) -> Mapping[str, Any] | None:
        """How it ended: code, reason, said, node, started, ended, wall_seconds; or why `refused`."""
        return self._read(RESULT)

    def remove(self) -> None:
        """Remove it, so that no orchestrator follows it. If it runs, it ends by itself."""
        for name in (JOB_FILE, BEGAN, RESULT):
            with suppress(FileNotFoundError):
                (self.job.folder / name).unlink()

    def last_line(self) -> str:
        """Return the last line of the job's own log, empty if there is none."""
        with suppress(OSError):
            lines = (self.job.folder / LOG).read_text(errors="replace").split("\n")
            return next((line for line in reversed(lines) if line.strip()), "")
        return ""

    def _read(self, name: str) -> Mapping[str, Any] | None:
        found = batch_script.read(self.folder, name)
        return found if found.get("key") == self.key else None


def open_job_file(job: Job, environment: Mapping[str, str]) -> JobFile:
    """Return the job file in the folder if it is of exactly this job, or else a new one. Raises OSError.

    `environment`: variables that the trial needs besides those that sbatch passes on.
    """
    contents, identity = batch_script.read(str(job.folder), JOB_FILE), identify(job)
    if contents.get("identity") == identity:
        return JobFile(str(contents["key"]), job, is_kept=True)
    for path in (job.stdout, job.stderr):
        path.unlink(missing_ok=True)  # an earlier job may still write to it
        path.touch()
    new = JobFile(_make_name(job.folder), job)
    new.remove()
    written = {
        "executor": "slurm",
        "key": new.key,
        "identity": identity,
        "job": {name: str(v) if isinstance(v, Path) else v for name, v in vars(job).items()},
        "environment": dict(environment),
    }
    batch_script.write(str(job.folder), JOB_FILE, written)
    return new


def parse_exit(result: Mapping[str, Any]) -> Exit:
    reason: Reason = result["reason"]
    started, ended = (datetime.fromtimestamp(result[name], UTC) for name in ("started", "ended"))
    said, slept = str(result.get("said", "")), float(result.get("slept_seconds", 0.0))
    wall = result["wall_seconds"]
    return Exit(result["code"], reason, result["node"], wall, started, ended, said, slept_seconds=slept)


def _make_name(folder: Path) -> str:
    words = [re.sub(r"[^A-Za-z0-9_]+", "_", word)[:40] for word in (folder.parent.name, folder.name)]
    return "-".join(["nas", *words, uuid.uuid4().hex[:16]])

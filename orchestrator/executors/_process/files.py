"""A job's files: written whole or not at all, and by what a later orchestrator knows the job again."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from orchestrator.executors import Job

# in a trial's folder while a job is pending that outlives the orchestrator: a later one follows it then
JOB_FILE = "job.json"


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` once it is complete and on the disk; nodes may do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.uname().nodename}.{os.getpid()}")
    try:
        with new.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def identify(job: Job) -> str:
    """Return what identifies a job in its folder: its command and its configurations, not its checkpoint."""
    digest = hashlib.sha256(json.dumps([*job.command, str(job.stdout), str(job.stderr)]).encode())
    for path in map(Path, job.command):
        if path.suffix == ".json" and path.parent == job.folder and path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()

"""What is sent of a job to a node, and by what the job is identified there.

Files are sent only to a node that does not see the job's folder itself. This is tested with a new file for
each trial, because a folder with the same path may be another one.
"""

import hashlib
import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.executors import Job
from orchestrator.executors._process.files import JOB_FILE, identify, replace_file
from orchestrator.executors.ray.actor import Greeting, Transfer


def actor_name(folder: Path) -> str:
    """Return the name of a folder's actor. It differs for other machines and other users."""
    owner = f"{socket.gethostname()} {os.getuid()} {folder}"
    return f"{folder.parent.name}/{folder.name}-{hashlib.sha256(owner.encode()).hexdigest()[:16]}"


def make_transfer(job: Job, greeting: Greeting, on_gpu: bool) -> Transfer:
    """Return the job as sent to a node, after its greeting."""
    own = (job.stdout, job.stderr, job.folder / JOB_FILE)
    files: dict[str, bytes] | None = None
    if not greeting.sees_folder:
        paths = [path for path in job.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        files = {str(path.relative_to(job.folder)): path.read_bytes() for path in paths if path not in own}
    needed = (*find_needed(job.command, job.folder), *map(str, job.needed))
    return Transfer(job, identify(job), files, needed, sys.executable, on_gpu)


def find_needed(command: Sequence[str], folder: Path | None = None) -> tuple[str, ...]:
    """Return the files that a command needs on the node: all but Python itself and those in `folder`."""
    files = [Path(word) for word in command if os.path.isabs(word) and os.path.isfile(word)]
    others = [path for path in files if path != Path(sys.executable)]
    return tuple(str(path) for path in others if folder is None or not path.is_relative_to(folder))


@contextmanager
def keep_marker(folder: Path) -> Iterator[tuple[str, str]]:
    """Keep a file in the folder while a node may look for it, and return its path and its content."""
    for left in folder.glob(".seen-*"):  # of a run that was killed
        left.unlink()
    path, content = folder / f".seen-{secrets.token_hex(8)}", secrets.token_hex(16)
    path.write_text(content)
    try:
        yield str(path), content
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def keep_job_file(folder: Path) -> Iterator[None]:
    """Mark the folder as having a trial in the cluster: if we are killed, the next run follows that."""
    with replace_file(folder / JOB_FILE) as file:
        file.write(json.dumps({"executor": "ray"}).encode())
    try:
        yield
    finally:
        (folder / JOB_FILE).unlink(missing_ok=True)

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
from typing import BinaryIO

from orchestrator.executors import Job
from orchestrator.executors.ray.actor import Greeting, Sight, Transfer
from results import file_names

ORDER = file_names.JOB  # tells a search to follow the trial it left running instead of starting it again


def actor_name(folder: Path) -> str:
    """Return the name of a folder's actor. It differs for other machines and other users."""
    whose = f"{socket.gethostname()} {os.getuid()} {folder}"
    return f"{folder.parent.name}/{folder.name}-{hashlib.sha256(whose.encode()).hexdigest()[:16]}"


def parcel_of(job: Job, greeting: Greeting, on_gpu: bool) -> Transfer:
    """Return the job as sent to a node, after its greeting."""
    root = job.folder.parent
    files = None if greeting.sees_folder else {str(p.relative_to(root)): p.read_bytes() for p in _sent(job)}
    return Transfer(
        job, identity_of(job), root, files, find_needed(job.command, root), sys.executable, on_gpu
    )


def identity_of(job: Job) -> str:
    """Return what identifies a job: its command and its configurations, but not its changing checkpoint."""
    digest = hashlib.sha256(repr(job.command).encode())
    for path in _named(job.command):
        if path.suffix == ".json" and path.is_relative_to(job.folder.parent):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def find_needed(command: Sequence[str], root: Path | None = None) -> tuple[str, ...]:
    """Return the files that a command needs on the node: all but Python itself and those in `root`."""
    named = [path for path in _named(command) if path != Path(sys.executable)]
    return tuple(str(path) for path in named if root is None or not path.is_relative_to(root))


@contextmanager
def sight_of(folder: Path) -> Iterator[Sight]:
    """Keep a file in the folder while a node may look for it."""
    for left in folder.glob(".seen-*"):  # of a run that was killed
        left.unlink()
    path = folder / f".seen-{secrets.token_hex(8)}"
    sight = Sight(str(path), secrets.token_hex(16))
    path.write_text(sight.content)
    try:
        yield sight
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def mark_followed(folder: Path) -> Iterator[None]:
    """Mark the folder as having a trial in the cluster: if we are killed, the next run follows that."""
    with written_whole(folder / ORDER) as file:
        file.write(json.dumps({"executor": "ray"}).encode())
    try:
        yield
    finally:
        (folder / ORDER).unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` once it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.fetched")
    try:
        with new.open("wb") as file:
            yield file
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def _sent(job: Job) -> list[Path]:
    """Return the files in the job's folder, and those beside it that its command names."""
    beside = [path for path in _named(job.command) if path.is_relative_to(job.folder.parent)]
    own = (job.stdout, job.stderr, job.folder / ORDER)
    inside = [path for path in job.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in dict.fromkeys((*inside, *beside)) if path not in own]


def _named(command: Sequence[str]) -> list[Path]:
    words = [Path(word) for word in command if os.path.isabs(word)]
    return [path for path in words if path.is_file()]

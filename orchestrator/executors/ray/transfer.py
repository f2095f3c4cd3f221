"""What of a job is sent to a node, and by what it is known there.

The surprise: files are sent only to a node that does not see the job's folder itself. Whether it does is
tried with a file of its own for each trial, never guessed from a path that exists.
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

ORDER = "job.json"  # by which a search knows that what it left running is followed, and not begun anew


def actor_name(folder: Path) -> str:
    """The name of a folder's actor: another machine, or another user of this one, has another for it."""
    whose = f"{socket.gethostname()} {os.getuid()} {folder}"
    return f"{folder.parent.name}/{folder.name}-{hashlib.sha256(whose.encode()).hexdigest()[:16]}"


def parcel_of(job: Job, greeting: Greeting, on_gpu: bool) -> Transfer:
    """The job for a node that has sent its greeting."""
    root = job.folder.parent
    files = None if greeting.sees_folder else {str(p.relative_to(root)): p.read_bytes() for p in _sent(job)}
    return Transfer(job, identity_of(job), root, files, needed(job.command, root), sys.executable, on_gpu)


def identity_of(job: Job) -> str:
    """Known by it: the command, and the configurations that it names. A checkpoint changes by itself."""
    digest = hashlib.sha256(repr(job.command).encode())
    for path in _named(job.command):
        if path.suffix == ".json" and path.is_relative_to(job.folder.parent):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def needed(command: Sequence[str], root: Path | None = None) -> tuple[str, ...]:
    """The files named by a command that a node must have of its own: all but Python and those in `root`."""
    named = [path for path in _named(command) if path != Path(sys.executable)]
    return tuple(str(path) for path in named if root is None or not path.is_relative_to(root))


@contextmanager
def sight_of(folder: Path) -> Iterator[Sight]:
    """A file in the folder, as long as a node may look for it."""
    for left in folder.glob(".seen-*"):  # by one that was killed meanwhile
        left.unlink()
    path = folder / f".seen-{secrets.token_hex(8)}"
    sight = Sight(str(path), secrets.token_hex(16))
    path.write_text(sight.content)
    try:
        yield sight
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def followed(folder: Path) -> Iterator[None]:
    """Have the folder say that the cluster has its trial: if we are killed, the next run will follow that."""
    with written_whole(folder / ORDER) as file:
        file.write(json.dumps({"executor": "ray"}).encode())
    try:
        yield
    finally:
        (folder / ORDER).unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once all is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.fetched")
    try:
        with new.open("wb") as file:
            yield file
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def _sent(job: Job) -> list[Path]:
    """The files in the job's folder, and those beside it that its command names."""
    beside = [path for path in _named(job.command) if path.is_relative_to(job.folder.parent)]
    own = (job.stdout, job.stderr, job.folder / ORDER)
    inside = [path for path in job.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in dict.fromkeys((*inside, *beside)) if path not in own]


def _named(command: Sequence[str]) -> list[Path]:
    words = [Path(word) for word in command if os.path.isabs(word)]
    return [path for path in words if path.is_file()]

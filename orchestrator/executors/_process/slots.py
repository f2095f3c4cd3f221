"""A place where one trial runs at a time, and the lock that keeps other studies off it.

The surprise: a lock belongs to the open file, not to a process. Whoever inherits the descriptor holds it, so
a trial keeps its GPU when the study that started it is killed. Nothing ever unlocks or deletes the file; the
last close releases it.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.executors import ExecutorError

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # of a CPU slot


@dataclass(frozen=True)
class Slot:
    """One place for one trial: its name, what a trial's environment says there, its lock if it is shared."""

    name: str
    environment: Mapping[str, str]
    lock: Path | None = None  # None: nobody else wants this slot
    meter: Callable[[], float | None] = lambda: None  # joules counted so far; None where nothing counts


class Held:
    """A slot's lock while we hold it, if it has one: until whoever runs the trial holds it."""

    def __init__(self, *descriptors: int) -> None:
        self.descriptors = list(descriptors)

    def release(self) -> None:
        while self.descriptors:
            os.close(self.descriptors.pop())


def take(lock: Path) -> int | None:
    """Take a lock without waiting: a descriptor that holds it, or None where another has it.

    Raises ExecutorError where the file cannot be made, opened or locked.
    """
    try:
        descriptor = _opened(lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
    except OSError as error:
        if error.errno == errno.EWOULDBLOCK:
            return None
        raise ExecutorError(
            f"the GPU lock {lock} cannot be used ({error.strerror}); give NOMAD_NAS_LOCK_FOLDER a folder "
            "that every user of this machine's GPUs can write to"
        ) from error
    return descriptor


def make_folder(folder: Path) -> None:
    """Make the folder of locks, for every user of the machine, if need be."""
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
        folder.chmod(0o1777)


def _opened(lock: Path) -> int:
    """Open the file, making it and its folder for every user of the machine if need be."""
    with suppress(FileNotFoundError):
        return _open_existing(lock)
    make_folder(lock.parent)
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:  # another study was faster
        return _open_existing(lock)
    os.fchmod(descriptor, 0o666)  # the umask took the others' right to write
    return descriptor


def _open_existing(lock: Path) -> int:
    # without O_CREAT: Linux refuses it in a sticky folder on a file that another user owns
    return os.open(lock, os.O_RDWR | os.O_NOFOLLOW)

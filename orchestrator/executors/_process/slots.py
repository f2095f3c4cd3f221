"""Slots, on each of which one trial runs at a time, and the locks that reserve them for one study.

A lock belongs to the open file, not to a process. Every process that inherits the descriptor holds the lock,
so a trial keeps its GPU when the study that started it is killed. The lock is released when the last copy of
the descriptor is closed; the file is never unlocked or deleted.
"""

import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.executors import ExecutorError

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
CPU_ONLY = {"CUDA_VISIBLE_DEVICES": "", **ONE_THREAD}  # the environment of a trial without a GPU


@dataclass(frozen=True)
class Slot:
    """One slot: its name, its environment variables for a trial, and its lock if studies share it."""

    name: str
    environment: Mapping[str, str]
    lock: Path | None = None  # None: the slot is not shared
    meter: Callable[[], float | None] = lambda: None  # joules so far; None if there is no counter


def trial_environment(pins: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a trial: ours, with those of its slot."""
    return {**os.environ, **pins, "PYTHONUNBUFFERED": "1"}


class HeldLock:
    """A slot's lock, if it has one, held by us until the trial's processes hold it."""

    def __init__(self, *descriptors: int) -> None:
        self.descriptors = list(descriptors)

    def release(self) -> None:
        while self.descriptors:
            os.close(self.descriptors.pop())


def take(lock: Path) -> int | None:
    """Take a lock without waiting. Return a descriptor that holds it, or None if it is taken.

    Raises ExecutorError if the file cannot be created, opened or locked.
    """
    try:
        descriptor = _open_lock(lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
    except BlockingIOError:
        return None
    except OSError as error:
        raise ExecutorError(
            f"the GPU lock {lock} cannot be used ({error.strerror}); set NOMAD_NAS_LOCK_FOLDER to a folder "
            "that every user of this machine's GPUs can write to"
        ) from error
    return descriptor


def make_folder(folder: Path) -> None:
    """Create the folder of locks, for every user of the machine, if it does not exist."""
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
        folder.chmod(0o1777)


def _open_lock(lock: Path) -> int:
    """Open the file. If needed, create it and its folder for every user of the machine."""
    make_folder(lock.parent)
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:
        # without O_CREAT: Linux refuses it in a sticky folder on a file that another user owns
        return os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    os.fchmod(descriptor, 0o666)  # the umask may have removed write permission for others
    return descriptor

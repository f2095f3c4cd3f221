"""A place where one trial runs at a time, and the lock that keeps other studies off it.

The surprise: a lock belongs to the open file, not to a process. Whoever inherits the descriptor holds it, so
a trial keeps its GPU when the study that started it is killed. Nothing ever unlocks or deletes the file; the
last close releases it.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.executors import ExecutorError

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # of a CPU slot
COURTESY_SECONDS, MOST_COURTESY_SECONDS = 0.15, 1.0  # a GPU; who waits looks every .05 s


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


class Queue:
    """Of the studies that wait for a GPU, so that each comes to have as many as the others.

    A study that waits holds a lock in `folder` shared, and so others know. Then whoever finds a GPU free lets
    it go again, and comes back the later the more GPUs it has: the study with the fewest is there first.
    """

    def __init__(self, folder: Path) -> None:
        self._mark = folder / "waiting.lock"
        self._held: int | None = None  # the mark's descriptor, while we wait
        self._found: dict[Path, float] = {}  # when a GPU was found free that we let go

    def wait(self) -> None:
        """Tell the others that we wait."""
        if self._held is None:
            self._held = _opened(self._mark)
            fcntl.flock(self._held, fcntl.LOCK_SH)

    def leave(self) -> None:
        """We no longer wait."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def take(self, lock: Path, has: int) -> int | None:
        """Take the lock of a GPU as `take` does, unless another study, which may have fewer, comes first.

        `has`: how many GPUs we have
        """
        descriptor = take(lock)
        if descriptor is None or has == 0 or not self._others_wait():
            self._found.pop(lock, None)
            return descriptor
        found = self._found.setdefault(lock, time.monotonic())
        if time.monotonic() >= found + min(COURTESY_SECONDS * has, MOST_COURTESY_SECONDS):
            del self._found[lock]
            return descriptor
        os.close(descriptor)
        return None

    def _others_wait(self) -> bool:
        mark = _opened(self._mark) if self._held is None else self._held
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused where another holds it shared
        except BlockingIOError:
            return True
        finally:
            if self._held is None:
                os.close(mark)
            else:
                fcntl.flock(mark, fcntl.LOCK_SH)  # ours, which trying for more has cost
        return False


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


def _opened(lock: Path) -> int:
    """Open the file, making it and its folder for every user of the machine if need be."""
    with suppress(FileNotFoundError):
        return _open_existing(lock)
    with suppress(FileExistsError):
        lock.parent.mkdir(parents=True)
        lock.parent.chmod(0o1777)
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:  # another study was faster
        return _open_existing(lock)
    os.fchmod(descriptor, 0o666)  # the umask took the others' right to write
    return descriptor


def _open_existing(lock: Path) -> int:
    # without O_CREAT: Linux refuses it in a sticky folder on a file that another user owns
    return os.open(lock, os.O_RDWR | os.O_NOFOLLOW)

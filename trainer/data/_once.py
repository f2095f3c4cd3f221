"""Make a file or folder of the cache once, however many trainings need it at the same time."""

import fcntl
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".part"  # the end of the name of what is being made
_SILENCE_SECONDS = 30  # of a server, before a download fails


def make_once(made: Path, make: Callable[[Path], None]) -> None:
    """Make a file or folder unless it is there. Other processes that need it wait meanwhile.

    make: writes it under the path that it is given, from which it is renamed when it is complete
    Raises what `make` raises, and OSError.
    """
    if made.exists():
        return
    made.parent.mkdir(parents=True, exist_ok=True)
    with lock_file(made).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel releases it when this process ends
        if made.exists():
            return
        unfinished = made.with_name(f"{made.name}{UNFINISHED}")
        remove(unfinished)  # of a process that was killed
        try:
            make(unfinished)
            unfinished.replace(made)
        finally:
            remove(unfinished)


def lock_file(made: Path) -> Path:
    """The file that is locked while `made` is made."""
    return made.with_name(f"{made.name}.lock")


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def limit_silence() -> Iterator[None]:
    """Downloads within this block fail when the server is silent for 30 s."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

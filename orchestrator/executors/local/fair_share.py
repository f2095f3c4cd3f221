"""Share GPUs fairly between studies: decide which study takes a GPU that becomes free.

A waiting study keeps a note file beside the GPU locks, and locks it, so that the note of a killed study
does not count. A study that finds a free GPU leaves it alone while there is a note of a study that has
fewer GPUs, or as many and took its last one earlier. So all studies get the same number of GPUs, whichever
looks first.
"""

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.executors._process.slots import make_folder, take

STALE_SECONDS = 5.0  # after which a note does not count: its study is suspended, and would leave a GPU idle


@dataclass(frozen=True)
class Note:
    """A waiting study. Times are monotonic, so they are comparable between processes of a machine."""

    wants: frozenset[str]  # names of locks
    holds: frozenset[str]
    served_at: float  # when it took its last GPU
    written_at: float

    def sort_key(self, free: str) -> tuple[int, float]:
        """Return a key; the lowest goes first. `free`: a lock that is free, even if the note holds it."""
        return len(self.holds - {free}), self.served_at

    @staticmethod
    def read(descriptor: int) -> "Note | None":
        """Read a note; None for one that is being written, or that is not ours."""
        try:
            text = os.pread(descriptor, 1 << 20, 0)
            wants, holds, served_at, written_at = json.loads(text[: text.index(b"\n")])
            return Note(frozenset(wants), frozenset(holds), float(served_at), float(written_at))
        except (ValueError, TypeError, RecursionError):
            return None


class FairShare:
    """One study among all that share these locks."""

    def __init__(self, locks: Sequence[Path]) -> None:
        self._folder = locks[0].parent
        self._wants = frozenset(lock.name for lock in locks)
        self._holds: frozenset[str] = frozenset()
        self._served_at = 0.0
        self._path = self._folder / f"{uuid.uuid4().hex}.waiting"
        self._note: int | None = None  # the descriptor, while we wait

    def wait(self) -> None:
        """Announce that this study waits."""
        if self._note is not None:
            return
        new = self._path.with_suffix(".new")
        with suppress(OSError):  # a full disk must not end a search here
            make_folder(self._folder)
            self._note = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
            os.fchmod(self._note, 0o666)  # despite the umask: every user must be able to read and lock it
            fcntl.flock(self._note, fcntl.LOCK_EX)
            self._write()
            new.rename(self._path)  # only now, since others remove a note that is not locked

    def leave(self) -> None:
        """Withdraw the announcement."""
        if self._note is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._note)
            self._note = None

    def take(self, lock: Path) -> int | None:
        """Take the lock of a GPU as `slots.take` does, unless another study goes first."""
        self._write()
        descriptor = take(lock)
        if descriptor is None:
            return None
        ours = Note(self._wants, self._holds, self._served_at, 0.0).sort_key(lock.name)
        if any(lock.name in note.wants and note.sort_key(lock.name) < ours for note in self._read_others()):
            os.close(descriptor)
            return None
        self._holds |= {lock.name}
        self._served_at = time.monotonic()
        self._write()
        return descriptor

    def give_back(self, lock: Path) -> None:
        """Note that this study has released the GPU."""
        self._holds -= {lock.name}
        self._write()

    def _write(self) -> None:
        if self._note is not None:
            fields = sorted(self._wants), sorted(self._holds), self._served_at, time.monotonic()
            with suppress(OSError):  # what is left of a longer note follows the line
                os.pwrite(self._note, json.dumps(fields).encode() + b"\n", 0)

    def _read_others(self) -> Iterator[Note]:
        """Yield the notes of other waiting studies."""
        now = time.monotonic()
        for path in self._folder.glob("*.waiting"):
            note = None if path == self._path else _read_note(path)
            if note is not None and now - note.written_at < STALE_SECONDS:
                yield note


def _read_note(path: Path) -> Note | None:
    """Return a note; None if its study has ended, in which case the note is removed."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:  # withdrawn this moment
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Note.read(descriptor)
    else:
        with suppress(OSError):  # another user's, which only that one may remove
            path.unlink()
        return None
    finally:
        os.close(descriptor)

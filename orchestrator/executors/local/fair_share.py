"""Whose turn it is when a GPU comes free that several studies wait for.

A study that waits leaves a note beside the locks of the GPUs, and locks it, so that a killed study's does not
count. Whoever finds a GPU free lets it go again while a note stands of a study that has fewer, or that has as
many and took its last one earlier. So studies come to have as many GPUs each, whichever of them looks first.
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

STALE_SECONDS = 5.0  # after which a note no longer stands: its study is suspended, and would keep a GPU idle
_NEVER = 0.0  # on the monotonic clock


@dataclass(frozen=True)
class Note:
    """A study that waits. Times are monotonic: the same for all processes of a machine."""

    wants: frozenset[str]  # names of locks
    holds: frozenset[str]
    served_at: float  # when it took its last GPU
    written_at: float

    def turn(self, free: str) -> tuple[int, float]:
        """Lower comes first. `free`: a lock that nobody but the reader holds, whatever the note says."""
        return len(self.holds - {free}), self.served_at

    def line(self) -> bytes:
        fields = sorted(self.wants), sorted(self.holds), self.served_at, self.written_at
        return json.dumps(fields).encode() + b"\n"

    @staticmethod
    def read(descriptor: int) -> "Note | None":
        """Return what stands there; None for a line that is being written, or is none of ours."""
        try:
            text = os.pread(descriptor, 1 << 20, 0)
            wants, holds, served_at, written_at = json.loads(text[: text.index(b"\n")])
            return Note(frozenset(wants), frozenset(holds), float(served_at), float(written_at))
        except (ValueError, TypeError, RecursionError):
            return None


class Queue:
    """One study's place among those that share these locks."""

    def __init__(self, locks: Sequence[Path]) -> None:
        self._folder = locks[0].parent
        self._wants = frozenset(lock.name for lock in locks)
        self._holds: frozenset[str] = frozenset()
        self._served_at = _NEVER
        self._path = self._folder / f"{uuid.uuid4().hex}.waiting"
        self._note: int | None = None  # the descriptor, while we wait

    def wait(self) -> None:
        """Tell the others that we wait."""
        if self._note is not None:
            return
        new = self._path.with_suffix(".new")
        with suppress(OSError):  # a disk without room is no reason for a search to end here
            make_folder(self._folder)
            self._note = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
            os.fchmod(self._note, 0o666)  # whatever the umask: every user must be able to read and lock it
            fcntl.flock(self._note, fcntl.LOCK_EX)
            self._write()
            new.rename(self._path)  # only now, for a note that nobody locks is removed

    def leave(self) -> None:
        """We no longer wait."""
        if self._note is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._note)
            self._note = None

    def take(self, lock: Path) -> int | None:
        """Take the lock of a GPU as `_slots.take` does, unless it is another study's turn."""
        self._write()
        descriptor = take(lock)
        if descriptor is None:
            return None
        turn = self._said().turn(lock.name)
        if any(lock.name in note.wants and note.turn(lock.name) < turn for note in self._others()):
            os.close(descriptor)
            return None
        self._holds |= {lock.name}
        self._served_at = time.monotonic()
        self._write()
        return descriptor

    def give_back(self, lock: Path) -> None:
        """Whoever ran on the GPU has let it go."""
        self._holds -= {lock.name}
        self._write()

    def _said(self) -> Note:
        return Note(self._wants, self._holds, self._served_at, time.monotonic())

    def _write(self) -> None:
        if self._note is not None:
            with suppress(OSError):
                os.pwrite(self._note, self._said().line(), 0)  # what is left of a longer one follows the line

    def _others(self) -> Iterator[Note]:
        """The notes that stand."""
        now = time.monotonic()
        for path in self._folder.glob("*.waiting"):
            note = None if path == self._path else _standing(path)
            if note is not None and now - note.written_at < STALE_SECONDS:
                yield note


def _standing(path: Path) -> Note | None:
    """Return a note; None where its study has ended, and then it is removed."""
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

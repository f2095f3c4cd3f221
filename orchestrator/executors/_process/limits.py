"""Limits of one trial: its host memory, and the size of its output.

The process that waits for a trial checks them several times a second, by /proc and the two files' sizes. The
log's middle is cut out here while the trial has it open, so the log must be opened for appending.
"""

import errno
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from orchestrator.executors import ExecutorError, Job

USUAL_SHARE = 0.9  # of the machine's memory, if a job sets no limit
MEMORY_SECONDS = 0.25  # between two checks of the memory
KEPT_OF_OUTPUT = 1 << 20  # bytes that are kept of a stdout that was too long
CGROUP = Path("/sys/fs/cgroup")
PROC = Path("/proc")


@dataclass(frozen=True)
class Breach:
    """A limit that a trial exceeded, with a message for its row."""

    reason: Literal["memory", "output"]
    said: str


class LimitsWatch:
    """Checks the limits of one trial. `check` is cheap, to be called several times a second."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._memory_bytes = usual_memory_bytes() if job.memory_bytes is None else job.memory_bytes
        if self._memory_bytes < math.inf and not _can_measure():
            raise ExecutorError(
                f"a memory limit of {format_size(self._memory_bytes)} per trial needs Linux, where /proc "
                "tells how much processes use; omit --max-memory, or give none"
            )
        self._group: int | None = None
        self._supervisor = 0
        self._next_memory = 0.0
        self.breach: Breach | None = None

    def begin(self, group: int) -> None:
        """Start checking: the trial's first process leads the process group `group`, below its supervisor."""
        self._group, self._supervisor = group, _parent(group)

    def check(self) -> None:
        """Cut the log to its limit. If the trial exceeds another limit, kill it with all its children."""
        cut(self._job.stderr, self._job.stderr_bytes)
        if self._group is None or self.breach is not None:
            return
        self.breach = self._check_output() or self._check_memory()
        if self.breach is not None:
            # its supervisor then ends processes that left the group
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)

    def end(self) -> None:
        """Check a last time and shorten the files, once all processes of the trial have ended."""
        cut(self._job.stderr, self._job.stderr_bytes)
        self.breach = self.breach or self._check_output()
        if self.breach is not None and self.breach.reason == "output":
            with suppress(FileNotFoundError):
                os.truncate(self._job.stdout, min(KEPT_OF_OUTPUT, self._job.stdout_bytes))

    def _check_output(self) -> Breach | None:
        if _size(self._job.stdout) <= self._job.stdout_bytes:
            return None
        most = format_size(self._job.stdout_bytes)
        return Breach("output", f"printed more than {most} to stdout, which is only for JSON lines")

    def _check_memory(self) -> Breach | None:
        now = time.monotonic()
        if self._memory_bytes == math.inf or now < self._next_memory or not self._supervisor:
            return None
        self._next_memory = now + MEMORY_SECONDS
        used = memory_bytes(self._supervisor, self._memory_bytes)
        if used <= self._memory_bytes:
            return None
        limit = format_size(self._memory_bytes)
        return Breach("memory", f"out of host memory: used {format_size(used)}, limit {limit} (--max-memory)")


def cut(log: Path, most: int) -> None:
    """Cut the middle out of a log that is longer than `most` bytes, and put a note in its place."""
    if _size(log) <= most:
        return
    with suppress(OSError), log.open("r+b") as file:  # a log must not make a trial fail
        head = file.read(most // 4)
        head = head[: head.rfind(b"\n")] if b"\n" in head else head
        size = file.seek(0, os.SEEK_END)
        file.seek(size - most // 4)
        tail = file.read(most // 4)  # and no more: its writer may be faster than this reader
        note = f"\n[... lines left out here: this log is kept to {format_size(most)} ...]\n".encode()
        file.seek(len(head))
        file.write(note + tail[tail.find(b"\n") + 1 :])
        file.truncate()


def memory_bytes(pid: int, limit: float = 0.0, itself: bool = False) -> int:
    """Return the memory of all descendants of a process, in bytes; with `itself`, of that process as well.

    If the sum of the resident sizes is at most `limit`, it is returned. Otherwise shared pages are counted
    once (the kernel's proportional set size), which takes longer.
    """
    pids = [*descendants(pid), *([pid] if itself else [])]
    resident = sum(_read_bytes(each, "status", "VmRSS:") for each in pids)
    if resident <= limit:
        return resident
    return sum(_read_bytes(p, "smaps_rollup", "Pss:") or _read_bytes(p, "status", "VmRSS:") for p in pids)


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process, whatever their process groups and sessions."""
    found, unseen = set[int](), [pid]
    while unseen:  # no recursion: a chain of forks may be longer than Python's stack
        for thread in (PROC / str(unseen.pop()) / "task").glob("*"):
            with suppress(OSError):  # it has ended
                children = set(map(int, (thread / "children").read_text().split())) - found
                found |= children
                unseen += children
    return sorted(found)


def usual_memory_bytes() -> float:
    """Return the default memory limit of a trial: a share of this machine's or its container's memory."""
    if not _can_measure():
        return math.inf
    total = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return USUAL_SHARE * min(total, *_container_limits())


def format_size(size: float) -> str:
    """Return a size with its unit, for people."""
    for unit, bytes_each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_each:
            return f"{size / bytes_each:.1f} {unit}"
    return f"{size:.0f} bytes"


@contextmanager
def open_outputs(job: Job) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open the job's two files, emptied and for appending. Raises OSError."""
    for path in (job.stdout, job.stderr):
        path.write_bytes(b"")
    with job.stdout.open("ab") as stdout, job.stderr.open("ab") as stderr:
        yield stdout, stderr


def _container_limits() -> list[float]:
    """Return the memory limits of this process's control groups (v1 and v2); infinite if there is none."""
    limits = [math.inf]
    for line in (PROC / "self" / "cgroup").read_text().splitlines():
        _, kind, inner = line.split(":", 2)
        if kind not in ("", "memory"):
            continue
        folder = CGROUP / kind / inner.lstrip("/")
        for each in (folder, *folder.parents):
            for name in ("memory.max", "memory.limit_in_bytes"):
                with suppress(OSError, ValueError):  # not there, or "max"
                    limits.append(float((each / name).read_text()))
    return limits


def _can_measure() -> bool:
    return (PROC / "self" / "task" / str(os.getpid()) / "children").exists()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _parent(pid: int) -> int:
    """Return the parent of a process; 0 if it has ended, or without /proc."""
    try:
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _read_bytes(pid: int, file: str, name: str) -> int:
    """Return a number of kB in a process's file in /proc, in bytes; 0 if the process has ended."""
    with suppress(OSError):
        for line in (PROC / str(pid) / file).read_text().splitlines():
            if line.startswith(name):
                return 1024 * int(line.split()[1])
    return 0


ADVICE = {  # what a user can do if the machine allows no more processes or files, by errno
    errno.EAGAIN: "raise the limit of processes and threads (ulimit -u, or the container's)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}

"""What one trial may use of its machine: host memory, and room on the disk for what it prints.

Whoever waits for a trial looks every few moments, by /proc and the sizes of the two files. The surprise: the
log stays open in the trial while its middle is cut out here, so it must have been opened for appending.
"""

import errno
import math
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from orchestrator.executors import ExecutorError, Job

USUAL_SHARE = 0.9  # of the machine's memory, where a job does not say
MEMORY_SECONDS = 0.25  # between looks at the memory
KEPT_OF_OUTPUT = 1 << 20  # bytes that stay of a stdout that was too much
CGROUP = Path("/sys/fs/cgroup")
PROC = Path("/proc")


@dataclass(frozen=True)
class Breach:
    """A limit that a trial went over, in words for its record."""

    reason: Literal["memory", "output"]
    said: str


class LimitsWatch:
    """Watches one trial, from its first process on. `look` is cheap and is called every few moments."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._memory_bytes = usual_memory_bytes() if job.memory_bytes is None else job.memory_bytes
        if self._memory_bytes < math.inf and not _can_measure():
            raise ExecutorError(
                f"a limit of {words(self._memory_bytes)} for a trial's memory needs Linux, whose /proc tells "
                "what processes use; leave out --max-memory, or give none"
            )
        self._group: int | None = None
        self._guard = 0
        self._next_memory = 0.0
        self.breach: Breach | None = None

    def begin(self, group: int) -> None:
        """The trial has begun, its first process being the leader of `group` and a child of its guard."""
        self._group, self._guard = group, _parent(group)

    def look(self) -> None:
        """Cut the log to its limit; end the trial at once, children and all, where it is over another."""
        cut(self._job.stderr, self._job.stderr_bytes)
        if self._group is None or self.breach is not None:
            return
        self.breach = self._printed_too_much() or self._uses_too_much()
        if self.breach is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)  # its guard then sweeps up whoever left the group

    def end(self) -> None:
        """Look a last time, and leave no file that is too long. All processes of the trial are gone."""
        cut(self._job.stderr, self._job.stderr_bytes)
        self.breach = self.breach or self._printed_too_much()
        if self.breach is not None and self.breach.reason == "output":
            with suppress(FileNotFoundError):
                os.truncate(self._job.stdout, min(KEPT_OF_OUTPUT, self._job.stdout_bytes))

    def _printed_too_much(self) -> Breach | None:
        most = self._job.stdout_bytes
        if _size(self._job.stdout) <= most:
            return None
        return Breach("output", f"printed more than {words(most)} to stdout, which is for JSON lines alone")

    def _uses_too_much(self) -> Breach | None:
        now = time.monotonic()
        if self._memory_bytes == math.inf or now < self._next_memory or not self._guard:
            return None
        self._next_memory = now + MEMORY_SECONDS
        used = memory_bytes(self._guard, self._memory_bytes)
        if used <= self._memory_bytes:
            return None
        said = f"out of host memory: used {words(used)}, limit {words(self._memory_bytes)} (--max-memory)"
        return Breach("memory", said)


def cut(log: Path, most: int) -> None:
    """Cut the middle out of a log that is longer than `most` bytes, and say so in its place."""
    if _size(log) <= most:
        return
    with suppress(OSError), log.open("r+b") as file:  # a log is no reason for a trial to fail
        head = _whole_lines(file.read(most // 4))
        size = file.seek(0, os.SEEK_END)
        file.seek(size - most // 4)
        tail = file.read()
        note = f"\n[... lines left out here: this log is kept to {words(most)} ...]\n".encode()
        file.seek(len(head))
        file.write(note + tail[tail.find(b"\n") + 1 :])
        file.truncate()


def memory_bytes(guard: int, limit: float = 0.0, itself: bool = False) -> int:
    """What all processes below `guard` hold of the machine's memory; with `itself` that one as well.

    Up to `limit` the sum of what each has resident is good enough; above it pages that several share are
    counted once (the kernel's proportional set size), which takes longer to find out.
    """
    pids = [*descendants(guard), *([guard] if itself else [])]
    resident = sum(_field(pid, "status", "VmRSS:") for pid in pids)
    if resident <= limit:
        return resident
    return sum(_field(pid, "smaps_rollup", "Pss:") or _field(pid, "status", "VmRSS:") for pid in pids)


def descendants(pid: int) -> list[int]:
    """The processes below one, whatever groups and sessions they have moved to."""
    found, unseen = set[int](), [pid]
    while unseen:  # no recursion: a chain of forks may be longer than Python's stack
        for thread in (PROC / str(unseen.pop()) / "task").glob("*"):
            with suppress(OSError):  # it has ended
                children = set(map(int, (thread / "children").read_text().split())) - found
                found |= children
                unseen += children
    return sorted(found)


def usual_memory_bytes() -> float:
    """The share of this machine's memory, or of its container's, that a trial may use unasked."""
    if not _can_measure():
        return math.inf
    total = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return USUAL_SHARE * min(total, *_of_containers())


def words(size: float) -> str:
    """A size as people write it."""
    for unit, bytes_each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_each:
            return f"{size / bytes_each:.1f} {unit}"
    return f"{size:.0f} bytes"


def opened(job: Job) -> tuple[BinaryIO, BinaryIO]:
    """The job's two files, new and for appending. Raises OSError."""
    for path in (job.stdout, job.stderr):
        path.write_bytes(b"")
    stdout = job.stdout.open("ab")
    try:
        return stdout, job.stderr.open("ab")
    except OSError:
        stdout.close()
        raise


def _of_containers() -> list[float]:
    """The limits of the control groups that we are in, of either version; infinite where there is none."""
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


def _whole_lines(text: bytes) -> bytes:
    return text[: text.rfind(b"\n")] if b"\n" in text else text


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _parent(pid: int) -> int:
    """0 where it is not known: the process has ended, or there is no /proc."""
    try:
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _field(pid: int, file: str, name: str) -> int:
    """A number of kB in a process's file in /proc, in bytes; 0 where the process has ended."""
    with suppress(OSError):
        for line in (PROC / str(pid) / file).read_text().splitlines():
            if line.startswith(name):
                return 1024 * int(line.split()[1])
    return 0


_ADVICE = {
    errno.EAGAIN: "raise the limit of processes and threads (ulimit -u, or the container's)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


def advice(error: OSError) -> str | None:
    """Say what a user may do where this machine gives no more processes or files; None of other errors."""
    return _ADVICE.get(error.errno or 0)

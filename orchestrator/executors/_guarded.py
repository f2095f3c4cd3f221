"""Run one job under a guard: the orchestrator's end of `_guard.py`.

The surprise: the guard takes the end of its stdin for "stop", and only we hold the other end; so it ends the
trial also when we are killed. When the guard itself is killed, the kernel kills the trial and we kill its
process group; only a daemon that had left the group escapes then.
"""

import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from orchestrator.executors import ExecutorError, Exit, Job, Reason

GUARD = Path(__file__).resolve().with_name("_guard.py")
POLL_SECONDS = 0.05  # between looks at whether to stop
GUARD_EXIT_SECONDS = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Ending:
    code: int
    reason: Reason


def run_guarded(
    job: Job,
    slot: str,
    environment: Mapping[str, str],
    lock: int | None,
    stopped: Callable[[], bool],
    started: Callable[[str], None] | None,
) -> Exit:
    """Run the job with `environment` on top of ours, until every process of it is gone.

    `lock` is a descriptor that the job's processes inherit; it is closed here. `stopped` is asked every
    50 ms. Raises ExecutorError where the program cannot be started, OSError where its files cannot.
    """
    started_at, clock = datetime.now(UTC), time.monotonic()
    with _guard(job, environment, lock) as guard:
        ending = _followed(job, guard, stopped, lambda: started(slot) if started else None)
    wall_seconds = time.monotonic() - clock
    return Exit(ending.code, ending.reason, slot, wall_seconds, started_at, ended_at=datetime.now(UTC))


@contextmanager
def _guard(job: Job, environment: Mapping[str, str], lock: int | None) -> Iterator[subprocess.Popen[bytes]]:
    """A guard that runs the job; on leaving it is told to stop, and given time to end the job."""
    guard = _spawned(job, environment, lock)
    assert guard.stdin is not None
    assert guard.stdout is not None
    with guard.stdout:
        try:
            yield guard
        finally:
            _tell_stop(guard)
            guard.stdin.close()
            _await_end(guard, 2 * job.grace_seconds + GUARD_EXIT_SECONDS)


def _spawned(job: Job, environment: Mapping[str, str], lock: int | None) -> subprocess.Popen[bytes]:
    try:
        with job.stdout.open("wb") as stdout, job.stderr.open("wb") as stderr:
            numbers = (os.getpid(), stdout.fileno(), job.timeout_seconds, job.grace_seconds)
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *map(str, numbers), *job.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                pass_fds=[stdout.fileno()] if lock is None else [stdout.fileno(), lock],
                cwd=job.folder,
                env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # so that Ctrl-C in a terminal reaches us alone
            )
    finally:
        if lock is not None:
            os.close(lock)  # from here on the guard and the trial hold it, and nobody else


def _await_end(guard: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        guard.wait(seconds)
    except subprocess.TimeoutExpired:
        logger.warning(
            "processes of a trial do not die on SIGKILL, most likely inside a driver or a file system; "
            "their guard, process %d, waits for them and keeps their GPU locked",
            guard.pid,
        )


def _followed(
    job: Job, guard: subprocess.Popen[bytes], stopped: Callable[[], bool], started: Callable[[], None]
) -> _Ending:
    """Listen to the guard until it says how the job ended."""
    group: int | None = None
    for line in _lines(guard, stopped):
        match line.split(maxsplit=1):
            case ["refused", problem]:
                raise ExecutorError(
                    f"cannot run {job.command[0]!r}: {problem}; give a program that runs here"
                )
            case ["started", pid]:
                group = int(pid)
                started()
            case ["ended", ending]:
                code, reason = ending.split()
                return _Ending(int(code), cast(Reason, reason))
    logger.warning("the guard of a trial died without a word; see %s", job.stderr)
    if group is not None:
        with suppress(ProcessLookupError):  # the trial's first process was killed as its guard died
            os.killpg(group, signal.SIGKILL)
    return _Ending(-signal.SIGKILL, "exited")


def _lines(guard: subprocess.Popen[bytes], stopped: Callable[[], bool]) -> Iterator[str]:
    """What the guard says, until it hangs up; meanwhile our stop is passed on."""
    assert guard.stdout is not None
    told, unread = False, b""
    with selectors.DefaultSelector() as selector:
        selector.register(guard.stdout, selectors.EVENT_READ)
        while True:
            if not told and stopped():
                told = True
                _tell_stop(guard)
            if not selector.select(POLL_SECONDS):
                continue
            read = os.read(guard.stdout.fileno(), 65536)
            if not read:
                return
            *lines, unread = (unread + read).split(b"\n")
            yield from map(bytes.decode, lines)


def _tell_stop(guard: subprocess.Popen[bytes]) -> None:
    # in words, because closing the pipe says nothing while a process that we forked holds it open
    assert guard.stdin is not None
    with suppress(BrokenPipeError):  # the guard has ended already
        guard.stdin.write(b"stop\n")

"""Run one job below a supervisor process, which reports how the job ended: our side of `supervisor.py`.

The supervisor treats the end of its stdin as "stop", and only this process holds the other end. So it ends
the trial even if the orchestrator is killed. If the supervisor is killed, the kernel kills the trial and we
kill its process group; then only a daemon that had left the group survives.

All supervisors, also those of a fork server, send the same messages, one per line: `refused WHY`, or
`started PID` and then `ended CODE REASON AT SLEPT`. `busy WHY` means that the machine has no process or
memory to spare at the moment.
"""

import errno
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from orchestrator.executors import STOPPED, ExecutorError, Job, Reason
from orchestrator.executors._process.limits import LimitsWatch, open_outputs
from orchestrator.executors._process.slots import HeldLock

SUPERVISOR = Path(__file__).resolve().with_name("supervisor.py")
EXIT_SECONDS = 1.0  # for a supervisor to end after its trial
POLL_SECONDS = 0.05  # between two checks of whether to stop

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a trial ended, as in `Exit`."""

    code: int
    reason: Reason
    said: str = ""
    at: float | None = None  # by the monotonic clock; None if it was not reported
    slept_seconds: float = 0.0  # for which the trial was suspended, together with its supervisor

    def seconds_since(self, began: float) -> float:
        """Return how long the slot was in use since `began`, without suspensions."""
        return max(0.0, (time.monotonic() if self.at is None else self.at) - began - self.slept_seconds)


@dataclass(frozen=True)
class SupervisorPipe:
    """The connection to a supervisor: the descriptor to read from, and the one to write to."""

    reader: int
    writer: int

    def send_stop(self) -> None:
        # as a message, because closing the pipe has no effect while a process that we forked holds it open
        with suppress(BrokenPipeError, ConnectionResetError):  # the supervisor has already ended
            os.write(self.writer, b"stop\n")


@dataclass(frozen=True)
class SupervisedJob:
    """A job to run on a slot. Its processes inherit `lock`, which is released here once they hold it."""

    job: Job
    environment: Mapping[str, str]
    stopped: Callable[[], bool]  # called every 50 ms
    started: Callable[[], None] = lambda: None
    lock: HeldLock = field(default_factory=HeldLock)


class NotStarted(Exception):
    """The supervisor could not start the trial; the message is the supervisor's."""


def run_supervised(given: SupervisedJob) -> Ending:
    """Run the job in a new process until all its processes have ended.

    Raises ExecutorError if the program cannot be started, OSError if its files cannot be written.
    """
    try:
        with _open_supervisor(given) as pipe:
            ending = follow(pipe, given)
    except NotStarted as problem:
        program = given.job.command[0]
        raise ExecutorError(f"cannot run {program!r}: {problem}; give a program that runs here") from problem
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.ENOMEM):  # those two: no room for another process
            raise
        return Ending(STOPPED, "lost", f"no process could be started for it: {error.strerror}")
    return ending or Ending(-signal.SIGKILL, "lost", "its supervisor was killed")


def follow(pipe: SupervisorPipe, given: SupervisedJob) -> Ending | None:
    """Wait for the end of the trial, and forward our stop. None: the supervisor ended before the start.

    The trial is killed if it exceeds a limit. Raises NotStarted.
    """
    group: int | None = None
    watch = LimitsWatch(given.job)
    ending = Ending(-signal.SIGKILL, "lost", "its supervisor was killed")  # unless it reports another
    for line in _read_messages(pipe, given.stopped, watch):
        match line.split():
            case ["refused", *problem]:
                raise NotStarted(" ".join(problem))
            case ["busy", *problem]:
                return Ending(STOPPED, "lost", f"no process could be started for it: {' '.join(problem)}")
            case ["started", pid]:
                group = int(pid)
                watch.begin(group)
                given.lock.release()
                given.started()
            case ["ended", code, reason, *times]:
                at, slept = map(float, times) if times else (None, 0.0)
                ending = Ending(int(code), cast(Reason, reason), at=at, slept_seconds=slept)
                break
    if group is None:
        return None
    if ending.reason == "lost":
        with suppress(ProcessLookupError):  # the trial's first process was killed when its supervisor died
            os.killpg(group, signal.SIGKILL)
    watch.end()
    breach = watch.breach
    return replace(ending, reason=breach.reason, said=breach.said) if breach else ending


def warn_of_survivors(supervisor: str = "their supervisor") -> None:
    """Log that processes of an ended trial remain, so that their supervisor does not end."""
    logger.warning(
        "processes of a trial do not die on SIGKILL, most likely inside a driver or a file system; "
        "%s waits for them and keeps their GPU locked",
        supervisor,
    )


def is_readable(descriptor: int, seconds: float) -> bool:
    """Wait for at most so long, and return whether the descriptor can be read."""
    poll = select.poll()  # not select, which takes no descriptor above 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(1000 * seconds))


@contextmanager
def _open_supervisor(given: SupervisedJob) -> Iterator[SupervisorPipe]:
    """Start a supervisor that runs the job. On exit, tell it to stop and give it time to end the job."""
    process = _start_supervisor(given)
    assert process.stdin is not None
    assert process.stdout is not None
    pipe = SupervisorPipe(process.stdout.fileno(), process.stdin.fileno())
    with process.stdout:
        try:
            yield pipe
        finally:
            pipe.send_stop()
            process.stdin.close()
            try:
                process.wait(2 * given.job.grace_seconds + EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                warn_of_survivors(f"their supervisor, process {process.pid},")


def _start_supervisor(given: SupervisedJob) -> subprocess.Popen[bytes]:
    job = given.job
    try:
        with open_outputs(job) as (stdout, stderr):
            numbers = (os.getpid(), stdout.fileno(), job.timeout_seconds, job.grace_seconds)
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(SUPERVISOR), *map(str, numbers), *job.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                pass_fds=[stdout.fileno(), *given.lock.descriptors],
                cwd=job.folder,
                env=given.environment,
                start_new_session=True,  # so that Ctrl-C in a terminal reaches us alone
            )
    finally:
        given.lock.release()  # from here on only the supervisor and the trial hold it


def _read_messages(pipe: SupervisorPipe, stopped: Callable[[], bool], watch: LimitsWatch) -> Iterator[str]:
    """Yield the supervisor's messages until it closes the pipe; forward our stop and check limits."""
    has_sent_stop, unread = False, b""
    while True:
        if not has_sent_stop and stopped():
            has_sent_stop = True
            pipe.send_stop()
        watch.check()
        if not is_readable(pipe.reader, POLL_SECONDS):
            continue
        try:
            received = os.read(pipe.reader, 65536)
        except ConnectionResetError:
            return
        if not received:
            return
        *lines, unread = (unread + received).split(b"\n")
        yield from map(bytes.decode, lines)

"""Supervise one forked trial, so that none of its processes outlives the executor's connection.

Linux only. A supervisor is forked from the fork server (`trainer host`), adopts every orphaned process below
it, and takes any input on the connection, or its end, as "stop". It does not depend on the fork server, so a
trial survives a server that is killed. It also watches the process for which the trial runs.
"""

import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
_BLOCKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SWEEP_SECONDS = 0.02  # between two attempts to kill what is left
_AFTER_GRACE_SECONDS = 0.5
_POLL_SECONDS = 0.5
_SUSPENDED_SECONDS = 5.0  # a longer gap between two polls means that the machine was suspended
_REQUEST_BYTES = 65536  # read at once


@dataclass(frozen=True)
class Request:
    """A trial to run, as a new process would be started. The last three fields are file descriptors."""

    arguments: tuple[str, ...]  # of the trainer: train --config FILE
    folder: str  # the working directory
    environment: Mapping[str, str]  # the complete environment
    timeout_seconds: float  # after which the trial gets SIGTERM
    grace_seconds: float  # between SIGTERM and SIGKILL
    stdout: int
    stderr: int
    lock: int | None  # inherited by the trial and its children


Program = Callable[[], object]  # a script from its first line to its last; it may raise SystemExit


def supervise(connection: socket.socket, owner: int, refusal: str | None, program: Program) -> None:
    """Read a request, fork its trial, and report its start and end, until none of its processes is left.

    For a newly forked process with one thread that exits afterwards.
    owner: a pidfd of the process for which the trial runs
    refusal: why nothing is run, which is reported instead
    """
    adopt_orphans()
    signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)  # blocked, not ignored: the trial unblocks them
    request = _receive(connection)
    if request is None or select.select([connection], [], [], 0)[0]:  # it hung up while it was waiting
        return
    if refusal is not None:
        _send(connection, "refused", refusal)
        return
    trial = _Trial(_fork_trial(request, program))
    _send(connection, "started", trial.pid)
    limit = _TimeLimit(request.timeout_seconds)
    ready = limit.wait([trial.end, connection.fileno(), owner])
    reason = "exited" if trial.end in ready else "stopped" if ready else "timeout"
    if reason != "exited":
        trial.signal_group(signal.SIGTERM)
        _TimeLimit(request.grace_seconds).wait([trial.end])
    _kill_all(trial, request.grace_seconds)
    code = -signal.SIGKILL if trial.code is None else trial.code
    _send(connection, "ended", code, reason, time.monotonic(), limit.suspended_seconds)
    while not _kill_all(trial, _AFTER_GRACE_SECONDS):  # a process that survives SIGKILL keeps the lock
        pass
    with suppress(OSError):  # closing with unread input would look like a broken connection there
        connection.recv(_REQUEST_BYTES, socket.MSG_DONTWAIT)
    if request.lock is not None:
        os.close(request.lock)  # before the connection, whose end says that the lock is free


def adopt_orphans() -> None:
    """Become the parent of every process below this one whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def list_children() -> list[int]:
    """The process ids of all children, adopted and dead ones too."""
    me, found = os.getpid(), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:  # OSError: it has ended
            if int(stat.read().rpartition(b")")[2].split()[1]) == me:
                found.append(int(name))
    return found


class _Trial:
    """The trial's first process, and its exit code once it is reaped."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.end = os.pidfd_open(pid)  # readable once the process has ended
        self.code: int | None = None

    def reap(self) -> bool:
        """Reap all dead children. False when none is left."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.pid:
                    self.code = os.waitstatus_to_exitcode(status)
        return False

    def signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class _TimeLimit:
    """A time limit that does not count the time for which the machine is suspended."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self.suspended_seconds = 0.0

    def wait(self, descriptors: list[int]) -> list[int]:
        """Wait for a readable descriptor; return those that are, or none when the time is over."""
        while True:
            polled = time.monotonic()
            ready = select.select(descriptors, [], [], min(max(0.0, self._left), _POLL_SECONDS))[0]
            gap = time.monotonic() - polled
            if gap > _SUSPENDED_SECONDS:
                self.suspended_seconds += gap
            else:
                self._left -= gap
            if ready or self._left <= 0:
                return ready


def _receive(connection: socket.socket) -> Request | None:
    """The request with its descriptors; None if the connection ends before the line does."""
    text, descriptors, _, _ = socket.recv_fds(connection, _REQUEST_BYTES, 3)
    while not text.endswith(b"\n"):
        more = connection.recv(_REQUEST_BYTES)
        if not more:
            return None
        text += more
    fields = json.loads(text)
    stdout, stderr, *lock = descriptors
    return Request(
        tuple(fields["arguments"]),
        fields["folder"],
        fields["environment"],
        fields["timeout_seconds"],
        fields["grace_seconds"],
        stdout,
        stderr,
        lock[0] if lock else None,
    )


def _kill_all(trial: _Trial, seconds: float) -> bool:
    """Kill all children until none is left; False if one is when the time is over."""
    deadline = time.monotonic() + seconds
    if trial.code is None:  # once it is reaped, another process may have its id
        trial.signal_group(signal.SIGKILL)
    while trial.reap():
        if time.monotonic() >= deadline:
            return False
        for pid in list_children():
            with suppress(ProcessLookupError, PermissionError):  # another user's: init will adopt it
                os.kill(pid, signal.SIGKILL)
        time.sleep(_SWEEP_SECONDS)
    return True


def _send(connection: socket.socket, *words: object) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # without a reader, too, the trial must be ended
        connection.sendall(" ".join(map(str, words)).encode() + b"\n")


def _fork_trial(request: Request, program: Program) -> int:
    """Fork the trial; return its process id once it leads a session of its own."""
    supervisor = os.getpid()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(writer)
        _run_trial(request, program, supervisor)
    os.close(writer)
    os.read(reader, 1)  # until its end: from here on a signal to the group arrives
    os.close(reader)
    return pid


def _run_trial(request: Request, program: Program, supervisor: int) -> NoReturn:
    """Make this process like a new one, and run the trial in it."""
    code = 1
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == supervisor:  # else it died before the line above took effect
            _redirect(request)
            os.chdir(request.folder)
            os.environ.clear()
            os.environ.update(request.environment)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            sys.argv[1:] = request.arguments
            code = _run_program(program)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # the interpreter's own exit would run the fork server's clean-up


def _run_program(program: Program) -> int:
    """Run the program; return the exit code that the interpreter would give."""
    try:
        program()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201 as the interpreter does
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _redirect(request: Request) -> None:
    """Set the standard streams, keep the lock, and close all other descriptors."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(request.stdout, 1)
    os.dup2(request.stderr, 2)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor != request.lock:
            with suppress(OSError):  # the descriptor that listed them
                os.close(descriptor)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}) failed: {os.strerror(number)}")

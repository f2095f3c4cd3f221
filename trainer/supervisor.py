"""Supervise one forked trial, so that none of its processes outlives the executor's connection.

Linux only. A supervisor is forked from the fork server (`trainer host`), adopts every orphan below it, and
treats any input on the connection, or its end, as "stop". It does not depend on the fork server, so a trial
survives a server that is killed. Besides the trial it watches the process for which the trial runs.
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
_DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SWEEP_SECONDS = 0.02
_AFTER_GRACE_SECONDS = 0.5
_LOOK_SECONDS = 0.5
_ASLEEP_SECONDS = 5.0  # between two looks: we were suspended, and the trial most likely with us
_REQUEST_BYTES = 65536  # read at once


@dataclass(frozen=True)
class Request:
    """A trial to run: what a fresh process would be started with. The last three are descriptors."""

    arguments: tuple[str, ...]  # of the trainer: train --config FILE
    folder: str  # the working directory
    environment: Mapping[str, str]  # the whole of it
    timeout_seconds: float  # after which the trial gets SIGTERM
    grace_seconds: float  # between SIGTERM and SIGKILL
    stdout: int
    stderr: int
    lock: int | None  # inherited by the trial and all it starts


Program = Callable[[], object]  # what a script does from its first line to its last, SystemExit included


def stand(connection: socket.socket, owner: int, refusal: str | None, program: Program) -> None:
    """Read a request, fork its trial, and tell line by line what becomes of it, until nothing of it is left.

    For a process that has just been forked, has one thread and ends right after. `owner` is a pidfd of the
    process that the trial is for. With a `refusal` nothing is run and it is told why.
    """
    adopt_orphans()
    signal.pthread_sigmask(signal.SIG_BLOCK, _DEAF_TO)  # blocked, not ignored: the trial unblocks them
    request = _received(connection)
    if request is None or _readable([connection.fileno()], 0):  # hung up while it waited for its turn
        return
    if refusal is not None:
        _tell(connection, "refused", refusal)
        return
    trial = _Trial(_forked(request, program))
    _tell(connection, "started", trial.pid)
    patience = _Patience(request.timeout_seconds)
    reason = _watched(trial, connection.fileno(), owner, patience)
    if reason != "exited":
        trial.signal_group(signal.SIGTERM)
        _Patience(request.grace_seconds).wait([trial.end])
    _swept(trial, request.grace_seconds)
    code = -signal.SIGKILL if trial.code is None else trial.code
    _tell(connection, "ended", code, reason, time.monotonic(), patience.slept)
    while not _swept(trial, _AFTER_GRACE_SECONDS):  # what even SIGKILL does not end keeps the lock
        pass
    with suppress(OSError):  # what is unread when we end would read as a broken connection there
        connection.recv(_REQUEST_BYTES, socket.MSG_DONTWAIT)
    if request.lock is not None:
        os.close(request.lock)  # before the connection, whose end says that the lock is free


def adopt_orphans() -> None:
    """Become the parent of every process below us whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """Our children's process ids, the adopted ones and the dead too."""
    me, found = os.getpid(), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:  # OSError: it is gone
            if int(stat.read().rpartition(b")")[2].split()[1]) == me:
                found.append(int(name))
    return found


class _Trial:
    """The trial's first process, and what it leaves behind."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.end = os.pidfd_open(pid)  # can be read once it has ended
        self.code: int | None = None  # None until it is collected

    def reap(self) -> bool:
        """Collect the dead. False when none of our children is left."""
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


class _Patience:
    """A time limit that stands still while this process is suspended, which the monotonic clock does not."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self.slept = 0.0

    def wait(self, descriptors: list[int]) -> list[int]:
        """Return those that can be read, once there is one; none where the time is over before that."""
        while True:
            looked = time.monotonic()
            ready = _readable(descriptors, min(max(0.0, self._left), _LOOK_SECONDS))
            gap = time.monotonic() - looked
            if gap > _ASLEEP_SECONDS:
                self.slept += gap
            else:
                self._left -= gap
            if ready or self._left <= 0:
                return ready


def _received(connection: socket.socket) -> Request | None:
    """The request and its descriptors; None where the connection ends before the line does."""
    text, descriptors, _, _ = socket.recv_fds(connection, _REQUEST_BYTES, 3)
    while not text.endswith(b"\n"):
        more = connection.recv(_REQUEST_BYTES)
        if not more:
            return None
        text += more
    stdout, stderr, lock = (*descriptors, None)[:3]
    assert stdout is not None
    assert stderr is not None
    fields = json.loads(text)
    return Request(
        tuple(fields["arguments"]),
        fields["folder"],
        fields["environment"],
        fields["timeout_seconds"],
        fields["grace_seconds"],
        stdout,
        stderr,
        lock,
    )


def _watched(trial: _Trial, connection: int, owner: int, patience: _Patience) -> str:
    """Wait until the trial has ended by itself or is to be ended, and say which."""
    ready = patience.wait([trial.end, connection, owner])
    if trial.end in ready:
        return "exited"
    return "stopped" if ready else "timeout"


def _swept(trial: _Trial, seconds: float) -> bool:
    """Kill until nobody is left; False where somebody still is when the time is over."""
    deadline = time.monotonic() + seconds
    if trial.code is None:  # once it is collected, its number may be another's
        trial.signal_group(signal.SIGKILL)
    while trial.reap():
        if time.monotonic() >= deadline:
            return False
        for pid in children():
            with suppress(ProcessLookupError, PermissionError):  # another user's: init will adopt it
                os.kill(pid, signal.SIGKILL)
        time.sleep(_SWEEP_SECONDS)
    return True


def _readable(descriptors: list[int], seconds: float) -> list[int]:
    return select.select(descriptors, [], [], seconds)[0]


def _tell(connection: socket.socket, *words: object) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # nobody listens, but the trial must be ended
        connection.sendall(" ".join(map(str, words)).encode() + b"\n")


def _forked(request: Request, program: Program) -> int:
    """Fork the trial: its process id, once it leads a session of its own."""
    warden = os.getpid()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(writer)
        _become(request, program, warden)
    os.close(writer)
    os.read(reader, 1)  # its end: a signal to the group arrives from here on
    os.close(reader)
    return pid


def _become(request: Request, program: Program, warden: int) -> NoReturn:
    """Turn this process into what a fresh one would be, and run the trial in it."""
    code = 1
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == warden:  # else it died before it could take us with it
            _wire(request)
            os.chdir(request.folder)
            os.environ.clear()
            os.environ.update(request.environment)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            sys.argv[1:] = request.arguments
            code = _code_of(program)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # not the way through the interpreter: its clearing up is the host's own


def _code_of(program: Program) -> int:
    """Run the program: the code that the interpreter would exit with."""
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


def _wire(request: Request) -> None:
    """The standard three and the lock; no other descriptor."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(request.stdout, 1)
    os.dup2(request.stderr, 2)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor != request.lock:
            with suppress(OSError):  # the one that listed them
                os.close(descriptor)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}) is refused: {os.strerror(number)}")

"""Supervise one trial, so that none of its processes outlives it or the orchestrator.

This is a program of its own that needs only the standard library:
`python -I -S supervisor.py PARENT OUTPUT TIMEOUT GRACE COMMAND…`. It survives the orchestrator's death, and
treats any input on stdin, or its end, as "stop". On Linux it is a subreaper: orphans below it become its
children, so it finds all processes of the trial, even a daemon in another group and session. On other systems
it ends only the trial's process group.
"""

import errno
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
NO_ROOM = (errno.EAGAIN, errno.ENOMEM)  # for another process: not the command's fault
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHECK_SECONDS = 0.5  # of the parent: a process that it forked may hold stdin's other end open
SWEEP_SECONDS = 0.02
ASLEEP_SECONDS = 5.0  # between two checks: we were suspended, and probably the trial as well

Prctl = Callable[[int, int], None]


def main(parent: int, output: int, timeout_seconds: float, grace_seconds: float, command: list[str]) -> None:
    """Run the command with the descriptor `output` as its stdout, and report its start and end on stdout."""
    wakeup = _ignore_signals()
    prctl = _load_prctl() if LINUX else None
    if prctl:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        trial = SupervisedTrial(_start(command, output, prctl))
    except OSError as error:
        report("busy" if error.errno in NO_ROOM else "refused", error.strerror)
        return
    report("started", trial.pid)
    limit = TimeLimit(timeout_seconds)
    reason = watch_trial(trial, parent, wakeup, limit)
    if reason != "exited":
        trial.signal_group(signal.SIGTERM)
        wait_for_exit(trial, wakeup, grace_seconds)
    sweep_processes(trial, wakeup, grace_seconds)
    code = -signal.SIGKILL if trial.code is None else trial.code
    report("ended", code, reason, time.monotonic(), limit.slept)
    os.close(sys.stdout.fileno())  # the orchestrator need not wait for processes that survive SIGKILL
    while not sweep_processes(trial, wakeup, CHECK_SECONDS):
        pass


class SupervisedTrial:
    """The trial's first process and all that it started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None  # None while the first process runs

    def reap(self) -> bool:
        """Reap ended children. Return False when no child is left."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.pid:
                    self.code = os.waitstatus_to_exitcode(status)
                    self.signal_group(signal.SIGKILL)
        return False

    def signal_group(self, number: int) -> None:
        # all have ended; macOS reports "not permitted" for zombies
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class TimeLimit:
    """A time limit that does not run while this process is suspended, unlike the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.slept = 0.0
        self._read_at = time.monotonic()

    def update(self) -> None:
        """Count the time since the last call; to be called several times a second."""
        now = time.monotonic()
        gap, self._read_at = now - self._read_at, now
        if gap > ASLEEP_SECONDS:
            self.slept += gap
        else:
            self.left -= gap


def watch_trial(trial: SupervisedTrial, parent: int, wakeup: int, limit: TimeLimit) -> str:
    """Wait until the trial has ended or must be ended, and return the reason."""
    while True:
        readable = wait([sys.stdin.fileno(), wakeup], min(max(0.0, limit.left), CHECK_SECONDS))
        limit.update()
        trial.reap()
        if trial.code is not None:
            return "exited"
        if sys.stdin.fileno() in readable or os.getppid() != parent:
            return "stopped"
        if limit.left <= 0:
            return "timeout"


def wait_for_exit(trial: SupervisedTrial, wakeup: int, seconds: float) -> None:
    """Wait for the trial's first process to end, for at most so long."""
    limit = TimeLimit(seconds)
    while trial.code is None and limit.left > 0:
        wait([wakeup], min(limit.left, CHECK_SECONDS))
        limit.update()
        trial.reap()


def sweep_processes(trial: SupervisedTrial, wakeup: int, seconds: float) -> bool:
    """Kill all processes of the trial. Return False if some are left when the time is over."""
    deadline = time.monotonic() + seconds
    while trial.reap():
        if trial.code is None:
            trial.signal_group(signal.SIGKILL)
        for pid in _find_children():
            with suppress(ProcessLookupError, PermissionError):  # another user's: it will be adopted by init
                os.kill(pid, signal.SIGKILL)
        wait([wakeup], SWEEP_SECONDS)
        if time.monotonic() >= deadline:
            return not trial.reap()
    return True


def wait(descriptors: list[int], seconds: float) -> list[int]:
    """Sleep until a descriptor is readable or a child has ended, and return the readable descriptors."""
    readable = select.select(descriptors, [], [], max(0.0, seconds))[0]
    wakeup = descriptors[-1]
    if wakeup in readable:
        os.read(wakeup, 4096)
    return readable


def report(*message: object) -> None:
    with suppress(BrokenPipeError):  # the reader is gone, but the trial must still be ended
        os.write(sys.stdout.fileno(), " ".join(map(str, message)).encode() + b"\n")


def _ignore_signals() -> int:
    """Ignore all signals that can be ignored; return a descriptor that is readable once a child has ended."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # whatever the thread that started us blocked
    return reader


def _load_prctl() -> Prctl:
    import ctypes  # half of the start-up time, and of no use except on Linux

    libc = ctypes.CDLL(None, use_errno=True)

    def prctl(option: int, value: int) -> None:
        if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"prctl({option}) is refused: {os.strerror(number)}")

    return prctl


def _start(command: list[str], output: int, prctl: Prctl | None) -> int:
    """Start the command in a new session; return its process id. Raises OSError if it cannot be run."""
    supervisor = os.getpid()
    reader, writer = os.pipe()  # both close on exec, so that the end of file means "it runs"
    pid = os.fork()
    if pid == 0:
        try:
            _run_command(command, output, prctl, supervisor)
        except OSError as error:
            os.write(writer, (error.strerror or str(error)).encode())
        finally:
            os._exit(127)
    os.close(writer)
    with open(reader, "rb") as problems:
        problem = problems.read().decode()
    if problem:
        raise OSError(0, problem)
    return pid


def _run_command(command: list[str], output: int, prctl: Prctl | None, supervisor: int) -> None:
    os.setsid()
    if prctl:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # the supervisor died before the line above took effect
            return
    for number in (*IGNORED, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.set_inheritable(output, False)
    os.execvp(command[0], command)


def _find_children() -> list[int]:
    """Return the process ids of our children, adopted ones included; empty without /proc."""
    me, found = os.getpid(), []
    for name in filter(str.isdigit, os.listdir("/proc") if LINUX else []):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:  # OSError: it ended meanwhile
            if int(stat.read().rpartition(b")")[2].split()[1]) == me:
                found.append(int(name))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5:])
    os._exit(0)  # skip the interpreter's cleanup

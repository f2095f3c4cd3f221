"""Run one job in a new process below a supervisor: the orchestrator's side of `supervisor.py`.

The supervisor treats the end of its stdin as "stop", and only this process holds the other end. So it ends
the trial even if the orchestrator is killed. If the supervisor is killed, the kernel kills the trial and we
kill its process group; then only a daemon that had left the group survives.
"""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from orchestrator.executors import STOPPED, ExecutorError, Job
from orchestrator.executors._process.limits import LimitsWatch, open_outputs
from orchestrator.executors._process.pipe import (
    Ending,
    NotStarted,
    SupervisorPipe,
    follow,
    warn_of_the_undead,
)
from orchestrator.executors._process.slots import Held

GUARD = Path(__file__).resolve().with_name("supervisor.py")
GUARD_EXIT_SECONDS = 1.0
NO_ROOM = (errno.EAGAIN, errno.ENOMEM)  # for another process


def run_supervised(
    job: Job,
    environment: Mapping[str, str],
    held: Held,
    stopped: Callable[[], bool],
    started: Callable[[], None],
) -> Ending:
    """Run the job with the environment `environment` until all its processes have ended.

    The job's processes inherit `held`, which is released here. `stopped` is called every 50 ms. Raises
    ExecutorError if the program cannot be started, OSError if its files cannot be written.
    """
    try:
        with _supervisor(job, environment, held) as guard:
            ending = follow(_wire(guard), stopped, started, LimitsWatch(job))
    except NotStarted as problem:
        raise ExecutorError(
            f"cannot run {job.command[0]!r}: {problem}; give a program that runs here"
        ) from problem
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        return Ending(STOPPED, "lost", f"no process could be started for it: {error.strerror}")
    return ending or Ending(-signal.SIGKILL, "lost", "its supervisor was killed")


@contextmanager
def _supervisor(job: Job, environment: Mapping[str, str], held: Held) -> Iterator[subprocess.Popen[bytes]]:
    """Start a supervisor that runs the job. On exit, tell it to stop and give it time to end the job."""
    guard = _spawned(job, environment, held)
    assert guard.stdin is not None
    assert guard.stdout is not None
    with guard.stdout:
        try:
            yield guard
        finally:
            _wire(guard).say_stop()
            guard.stdin.close()
            seconds = 2 * job.grace_seconds + GUARD_EXIT_SECONDS
            warn_of_the_undead(_ends(guard, seconds), f"their supervisor, process {guard.pid},")


def _spawned(job: Job, environment: Mapping[str, str], held: Held) -> subprocess.Popen[bytes]:
    try:
        with ExitStack() as files:
            stdout, stderr = map(files.enter_context, open_outputs(job))
            numbers = (os.getpid(), stdout.fileno(), job.timeout_seconds, job.grace_seconds)
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *map(str, numbers), *job.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                pass_fds=[stdout.fileno(), *held.descriptors],
                cwd=job.folder,
                env=environment,
                start_new_session=True,  # so that Ctrl-C in a terminal reaches us alone
            )
    finally:
        held.release()  # from here on only the supervisor and the trial hold it


def _wire(guard: subprocess.Popen[bytes]) -> SupervisorPipe:
    assert guard.stdin is not None
    assert guard.stdout is not None
    return SupervisorPipe(guard.stdout.fileno(), guard.stdin.fileno())


def _ends(guard: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        guard.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True

"""Run trainings as forks of a trainer that has already imported everything (a fork server).

No failure of a fork server fails a trial. A trial that had not started is left to the caller, to run in a
new process, and a warning is logged. A running trial goes on, since its supervisor does not need the
server. It is not worth a warning that a trainer has no command `host`.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from orchestrator.awake import Awake
from orchestrator.executors import STOPPED, Job
from orchestrator.executors._process.limits import LimitsWatch, open_outputs
from orchestrator.executors._process.pipe import (
    POLL_SECONDS,
    Ending,
    NotStarted,
    SupervisorPipe,
    follow,
    readable,
    warn_of_the_undead,
)
from orchestrator.executors._process.slots import Held
from orchestrator.executors.local.fork_server import ForkServer

MOST_HOSTS = 3  # servers that are started before trainings run without one
GREETING_SECONDS = 20.0  # for the greeting of a fork server
IMPORT_SECONDS = 180.0  # until a server is ready

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Failure:
    """Why a fork server did not start a trial."""

    why: str


class ForkServers:
    """Keeps a fork server of `trainer` ready, with the environment that all trials have in common."""

    def __init__(self, trainer: Sequence[str], environment: Mapping[str, str]) -> None:
        self._trainer = tuple(trainer)
        self._environment = environment
        self._turn = threading.Lock()
        self._started = 0
        self._host = self._start()

    def run(
        self,
        job: Job,
        environment: Mapping[str, str],
        held: Held,
        stopped: Callable[[], bool],
        started: Callable[[], None],
    ) -> Ending | None:
        """Run a training until all its processes have ended; None if it is not one, or did not start.

        `held` is released once the trial holds the lock itself. Raises OSError if the job's files cannot be
        written.
        """
        host = self._host
        if host is None or job.command[: len(self._trainer) + 1] != (*self._trainer, "train"):
            return None
        connection = self._asked(host, job, environment, held)
        if connection is None:
            found: Ending | _Failure = _Failure("it is gone")
        else:
            with _ended_in_the_end(connection, host, job):
                found = _run(connection, host, job, held, stopped, started)
        if isinstance(found, Ending):
            return found
        self._replace(host, found.why)
        return None

    def close(self) -> None:
        """End the fork server, once no trial runs any more."""
        with self._turn:
            if self._host is not None:
                self._host.end()
            self._host = None

    def _asked(
        self, host: ForkServer, job: Job, environment: Mapping[str, str], held: Held
    ) -> socket.socket | None:
        request = {
            "arguments": job.command[len(self._trainer) :],
            "folder": str(job.folder),
            "environment": dict(environment),
            "timeout_seconds": job.timeout_seconds,
            "grace_seconds": job.grace_seconds,
        }
        with ExitStack() as files:
            stdout, stderr = map(files.enter_context, open_outputs(job))
            return host.ask(request, [stdout.fileno(), stderr.fileno(), *held.descriptors])

    def _replace(self, host: ForkServer, why: str) -> None:
        """Replace a failed server, unless another trial has done so, as long as new ones make sense."""
        with self._turn:
            if self._host is not host:
                return
            last_words = host.end()
            if not host.has_greeted():
                logger.info("the trainer has no command `host`; every training runs in a new process")
                self._host = None
                return
            logger.warning(
                "the trainer's fork server failed: %s; this training runs in a new process (server %d of %d)",
                f"{why} ({last_words})" if last_words else why,
                self._started,
                MOST_HOSTS,
            )
            self._host = self._start() if self._started < MOST_HOSTS else None

    def _start(self) -> ForkServer | None:
        self._started += 1
        try:
            return ForkServer(self._trainer, self._environment)
        except OSError as error:  # starting the training fails as well, and reports it
            logger.info("cannot start a fork server of %s: %s", self._trainer[0], error)
            return None


@contextmanager
def _ended_in_the_end(connection: socket.socket, host: ForkServer, job: Job) -> Iterator[None]:
    """On exit, stop the trial at the other end, and wait for it unless it never started."""
    with connection:
        try:
            yield
        finally:
            with suppress(OSError):  # it has hung up already
                connection.shutdown(socket.SHUT_WR)  # a supervisor that reads it now starts nothing
            if host.is_ready():
                warn_of_the_undead(_hangs_up(connection, 2 * job.grace_seconds + 1.0))


def _run(
    connection: socket.socket,
    host: ForkServer,
    job: Job,
    held: Held,
    stopped: Callable[[], bool],
    started: Callable[[], None],
) -> Ending | _Failure:
    def handed_on() -> None:
        held.release()
        started()

    if not _answers(connection, host, stopped):
        return Ending(STOPPED, "stopped") if stopped() else _Failure("it does not answer")
    try:
        wire = SupervisorPipe(connection.fileno(), connection.fileno())
        return follow(wire, stopped, handed_on, LimitsWatch(job)) or _Failure("it did not start the trial")
    except NotStarted as problem:
        return _Failure(str(problem))


def _answers(connection: socket.socket, host: ForkServer, stopped: Callable[[], bool]) -> bool:
    """Wait for a first message or the end of the connection."""
    awake = Awake()
    while not readable(connection.fileno(), POLL_SECONDS):
        if stopped() or awake.seconds() > (IMPORT_SECONDS if host.has_greeted() else GREETING_SECONDS):
            return False
    return True


def _hangs_up(connection: socket.socket, seconds: float) -> bool:
    """Whether the other end closes the connection in time."""
    deadline = time.monotonic() + seconds
    with suppress(ConnectionResetError):
        while readable(connection.fileno(), max(0.0, deadline - time.monotonic())):
            if not connection.recv(4096):
                return True
        return False
    return True

"""Run trainings as forks of a trainer that has already imported everything: a fork server, `COMMAND host`.

docs/trainer-protocol.md describes the command. No failure of a fork server fails a trial. A trial that had
not started is left to the caller, to run in a new process, and a warning is logged. A running trial goes on,
since its supervisor does not need the server. A trainer without the command `host` is not worth a warning.
"""

import json
import logging
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from orchestrator.awake import Awake
from orchestrator.executors import STOPPED, Job
from orchestrator.executors._process.limits import open_outputs
from orchestrator.executors._process.supervised import (
    POLL_SECONDS,
    Ending,
    NotStarted,
    SupervisedJob,
    SupervisorPipe,
    follow,
    is_readable,
    warn_of_survivors,
)

MOST_SERVERS = 3  # that are started before trainings run without one
GREETING_SECONDS = 20.0  # for the greeting of a fork server
IMPORT_SECONDS = 180.0  # until a server is ready
SEND_SECONDS = 60.0  # for a request larger than the socket holds while the server imports
FORKED = ("train", "latency")  # commands of a trainer that need what a fork server has imported
GREETING, READY = b"host 1\n", b"host 1\nready\n"

logger = logging.getLogger(__name__)


class ForkServers:
    """Keeps a fork server of `trainer` ready, with the environment that all trials have in common."""

    def __init__(self, trainer: Sequence[str], environment: Mapping[str, str]) -> None:
        self._trainer = tuple(trainer)
        self._environment = environment
        self._replacing = threading.Lock()
        self._started = 0
        self._server = self._start()

    def run(self, given: SupervisedJob) -> Ending | None:
        """Run a training until all its processes have ended; None if it is not one, or did not start.

        Raises OSError if the job's files cannot be written.
        """
        server = self._server
        begins = given.job.command[: len(self._trainer) + 1]
        if server is None or begins not in [(*self._trainer, name) for name in FORKED]:
            return None
        try:
            with _open_trial(self._request(server, given), server, given.job) as connection:
                return _run(connection, server, given)
        except NotStarted as problem:
            self._replace(server, str(problem))
            return None

    def close(self) -> None:
        """End the fork server, once no trial runs any more."""
        with self._replacing:
            if self._server is not None:
                self._server.end()
            self._server = None

    def _request(self, server: "ForkServer", given: SupervisedJob) -> socket.socket:
        job = given.job
        request = {
            "arguments": job.command[len(self._trainer) :],
            "folder": str(job.folder),
            "environment": dict(given.environment),
            "timeout_seconds": job.timeout_seconds,
            "grace_seconds": job.grace_seconds,
        }
        with open_outputs(job) as (stdout, stderr):
            return server.ask(request, [stdout.fileno(), stderr.fileno(), *given.lock.descriptors])

    def _replace(self, server: "ForkServer", why: str) -> None:
        """Replace a failed server, unless another trial has done so, as long as new ones make sense."""
        with self._replacing:
            if self._server is not server:
                return
            last_line = server.end()
            if not server.received.startswith(GREETING):
                logger.info("the trainer has no command `host`; every training runs in a new process")
                self._server = None
                return
            logger.warning(
                "the trainer's fork server failed: %s; this training runs in a new process (server %d of %d)",
                f"{why} ({last_line})" if last_line else why,
                self._started,
                MOST_SERVERS,
            )
            self._server = self._start() if self._started < MOST_SERVERS else None

    def _start(self) -> "ForkServer | None":
        self._started += 1
        try:
            return ForkServer(self._trainer, self._environment)
        except OSError as error:  # starting the training fails as well, and reports it
            logger.info("cannot start a fork server of %s: %s", self._trainer[0], error)
            return None


class ForkServer:
    """A running fork server, to which requests may be sent while it still imports.

    A program without the command `host` is only recognised when it ends: the connections of requests sent to
    it are closed. Raises OSError if the program cannot be started.
    """

    def __init__(self, trainer: Sequence[str], environment: Mapping[str, str]) -> None:
        self._received = b""
        self._socket, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 closed with the socket
        try:
            self._process = subprocess.Popen(
                [*trainer, "host"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                env=environment,
                start_new_session=True,  # a terminal's Ctrl-C is for the orchestrator alone
            )
        except OSError:
            self._close()
            raise
        finally:
            theirs.close()  # so that the death of the server reads as the end of the socket

    def ask(self, request: Mapping[str, object], descriptors: Sequence[int]) -> socket.socket:
        """Send a request with descriptors; return the connection for its reports. Raises NotStarted."""
        ours, theirs = socket.socketpair()
        ours.settimeout(SEND_SECONDS)
        text = json.dumps(request).encode() + b"\n"
        try:
            with theirs:
                socket.send_fds(self._socket, [b"t"], [theirs.fileno()])
            sent = socket.send_fds(ours, [text], descriptors)
            ours.sendall(text[sent:])
        except OSError as error:
            ours.close()
            raise NotStarted("it is gone") from error
        return ours

    @property
    def received(self) -> bytes:
        """What it has sent: GREETING; READY once its imports are done, when it may have started trials."""
        with suppress(OSError):  # nothing yet, or closed: then what was received before counts
            peeked = self._socket.recv(len(READY), socket.MSG_PEEK | socket.MSG_DONTWAIT)
            self._received = peeked or self._received
        return self._received

    def end(self) -> str:
        """End the process, but not its trials, and return the last line of its stderr."""
        self._process.kill()
        self._process.wait()
        _ = self.received  # which can still be read afterwards
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        self._close()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _close(self) -> None:
        self._socket.close()
        self._log.close()


@contextmanager
def _open_trial(connection: socket.socket, server: ForkServer, job: Job) -> Iterator[socket.socket]:
    """On exit, stop the trial at the other end, and wait for it unless it never started."""
    with connection:
        try:
            yield connection
        finally:
            with suppress(OSError):  # it has hung up already
                connection.shutdown(socket.SHUT_WR)  # a supervisor that reads it now starts nothing
            seconds = 2 * job.grace_seconds + 1.0
            if server.received.startswith(READY) and not _wait_for_close(connection, seconds):
                warn_of_survivors()


def _run(connection: socket.socket, server: ForkServer, given: SupervisedJob) -> Ending:
    if not _wait_for_answer(connection, server, given.stopped):
        if given.stopped():
            return Ending(STOPPED, "stopped")
        raise NotStarted("it does not answer")
    ending = follow(SupervisorPipe(connection.fileno(), connection.fileno()), given)
    if ending is None:
        raise NotStarted("it did not start the trial")
    return ending


def _wait_for_answer(connection: socket.socket, server: ForkServer, stopped: Callable[[], bool]) -> bool:
    """Wait for a first message or the end of the connection."""
    awake = Awake()
    while not is_readable(connection.fileno(), POLL_SECONDS):
        limit = IMPORT_SECONDS if server.received.startswith(GREETING) else GREETING_SECONDS
        if stopped() or awake.seconds() > limit:
            return False
    return True


def _wait_for_close(connection: socket.socket, seconds: float) -> bool:
    """Return whether the other end closes the connection in time."""
    deadline = time.monotonic() + seconds
    with suppress(ConnectionResetError):
        while is_readable(connection.fileno(), max(0.0, deadline - time.monotonic())):
            if not connection.recv(4096):
                return True
        return False
    return True

"""A solver in a process of its own, turned from one that calls back into one that is asked.

The process can be killed at any moment without loss, for it holds nothing that the record
does not: a new one, given the same answers, asks the same questions. It is also why a solver
may crash, as NOMAD sometimes does, without ending the study.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from orchestrator.awake import Awake
from orchestrator.spec.problem import Evaluation, Problem
from search_spaces import Point

EXIT_SECONDS = 5.0  # for a process that has closed its pipe to end by itself
TAIL_BYTES = 1500
PAUSE_SECONDS = 0.2
# one thread, for sums in another order would round otherwise, and the same answers bring other points
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class SolverDied(Exception):
    """The solver's process ended, hung or spoke nonsense; the message says how, and where its log is.

    `by_stranger`: it was killed from outside, which says nothing of the solver.
    """

    def __init__(self, message: str, by_stranger: bool = False) -> None:
        super().__init__(message)
        self.by_stranger = by_stranger


class SolverProcess:
    """One search by one solver. Use it as a context manager, from the main thread only.

    Main thread only because Linux kills the child when the thread that started it ends.

    Args:
        name: a solver of `orchestrator.solvers.names()`.
        problem: the question.
        think_seconds: how long the solver may compute without asking, start-up included.
        log: file that its stderr and prints are appended to; None: a temporary one.
        command: what to run instead of this package's own solvers: any program that speaks
            the messages of `orchestrator/solvers/__main__.py` on its stdin and stdout.
    """

    def __init__(
        self,
        name: str,
        problem: Problem,
        *,
        think_seconds: float = 600.0,
        log: Path | None = None,
        command: Sequence[str] = (),
    ) -> None:
        self._name = name
        self._problem = problem
        self._think_seconds = think_seconds
        self._log_path = log
        self._unanswered = 0  # points of the last question
        self._given_up = False  # whether a kill was ours
        self._unread = b""
        self._log: IO[bytes] = log.open("a+b") if log else tempfile.TemporaryFile()  # noqa: SIM115 - until close()
        self._log_start = self._log.seek(0, os.SEEK_END)
        self._process = self._start(command or [sys.executable, "-P", "-m", "orchestrator.solvers", name])
        self._send({"problem": problem.to_json(), "parent": os.getpid()})

    @property
    def pid(self) -> int:
        """The process's id, which is its process group's as well."""
        return self._process.pid

    def ask(self, pause: Callable[[], None] | None = None) -> list[Point] | None:
        """The next points to evaluate, at least one; None: the solver is done.

        Args:
            pause: called several times a second while the solver thinks; what it raises ends the asking.

        Raises:
            SolverDied: the process ended or computed for too long, or asked what it may not.
        """
        assert not self._unanswered, "the last question has not been answered"
        message = self._receive(pause)
        if "error" in message:
            raise self._died(f"stopped with {message['error']}")
        if message.get("done"):
            return None
        points = self._checked(message)
        self._unanswered = len(points)
        return points

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Answer the last question, one evaluation a point and in its order.

        Raises:
            ValueError: the number of evaluations, or of constraints or objectives in one, is wrong.
        """
        if len(evaluations) != self._unanswered:
            raise ValueError(f"{len(evaluations)} answers for {self._unanswered} points; give one each")
        for evaluation in evaluations:
            if not evaluation.failed and len(evaluation.constraints) != self._problem.constraints:
                raise ValueError(
                    f"{evaluation} has {len(evaluation.constraints)} constraints and the problem "
                    f"{self._problem.constraints}; give as many"
                )
            if not evaluation.failed and 1 + len(evaluation.others) != self._problem.objectives:
                raise ValueError(
                    f"{evaluation} has {1 + len(evaluation.others)} objectives and the problem "
                    f"{self._problem.objectives}; give as many"
                )
        self._unanswered = 0
        self._send({"tell": [evaluation.to_json() for evaluation in evaluations]})

    def close(self) -> None:
        """End the process and all it started, and wait for it. Closing twice is fine."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # an answer that a dead process never read
                    pipe.close()

    def __enter__(self) -> "SolverProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=os.environ | ONE_THREAD,
                start_new_session=True,  # the terminal's Ctrl-C is ours to handle, not the solver's
            )
        except OSError:
            self._log.close()
            raise

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message, allow_nan=False).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died; the next ask() finds out and says how

    def _receive(self, pause: Callable[[], None] | None) -> dict[str, Any]:
        line = self._line(pause)
        try:
            message = json.loads(line)
        except ValueError as error:
            raise self._died(f"sent a line that is not JSON: {line[:80]!r}") from error
        if not isinstance(message, dict):
            raise self._died(f"sent {line[:80]!r}, which is not a message")
        return message

    def _line(self, pause: Callable[[], None] | None) -> bytes:
        """The next line of the process's stdout, which is read past Python's own buffer."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        awake = Awake()  # whoever suspends us may suspend the solver as well
        while b"\n" not in self._unread:
            if pause is not None:
                pause()
            left = max(0.0, self._think_seconds - awake.seconds())
            ready, _, _ = select.select([pipe], [], [], min(left, PAUSE_SECONDS))
            if not ready and left > PAUSE_SECONDS:
                continue
            if not ready:
                self._kill()
                raise self._died(f"computed for {self._think_seconds:g} s without a question and was killed")
            received = os.read(pipe, 65536)
            if not received:
                raise self._died(self._ending())
            self._unread += received
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def _checked(self, message: dict[str, Any]) -> list[Point]:
        try:
            points = [self._problem.space.point(values) for values in message["ask"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._died(f"asked about no point of the space: {error}") from error
        if not 1 <= len(points) <= self._problem.batch_size:
            raise self._died(f"asked about {len(points)} points at once, not 1 to {self._problem.batch_size}")
        return points

    def _ending(self) -> str:
        """How the process ended, in words. It has closed its pipe, so it is ending or beyond use."""
        try:
            code = self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            return "closed its pipe and was killed"
        return (
            f"died of signal {-code} ({signal.strsignal(-code)})"
            if code < 0
            else f"ended with exit code {code}"
        )

    def _kill(self) -> None:
        self._given_up = True
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _died(self, how: str) -> SolverDied:
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(self._log_start, end - TAIL_BYTES))
        tail = self._log.read().decode(errors="replace").strip()
        where = f" (log: {self._log_path})" if self._log_path else ""
        said = f"; its last words:\n{tail}" if tail else ""
        killed = self._process.poll() in (-signal.SIGKILL, -signal.SIGTERM)
        return SolverDied(
            f"solver {self._name} {how}{where}{said}", by_stranger=killed and not self._given_up
        )

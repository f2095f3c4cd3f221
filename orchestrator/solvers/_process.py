"""A solver in a process of its own, which turns a solver that calls back into one with `ask` and `tell`.

The process can be killed at any moment without loss: a new one, given the same answers, asks about the same
points. So a solver may crash, as NOMAD sometimes does, without ending the study.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO, Any

from orchestrator.awake import Awake
from orchestrator.spec.problem import Ask, Evaluation, Problem
from search_spaces import Point

EXIT_SECONDS = 5.0  # for a process that has closed its pipe to end by itself
TAIL_BYTES = 1500
PAUSE_SECONDS = 0.2
# one thread: sums in another order round differently, and the same answers would give other points
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class SolverDied(Exception):
    """The solver's process ended, hung or sent no valid message; the message says how, and where its log is.

    `by_stranger`: it was killed from outside, which says nothing about the solver.
    """

    def __init__(self, message: str, by_stranger: bool = False) -> None:
        super().__init__(message)
        self.by_stranger = by_stranger


class SolverProcess(AbstractContextManager["SolverProcess"]):
    """One search by one solver. Use it as a context manager, from the main thread only.

    Only from the main thread, because Linux kills the child when the thread that started it ends.

    `name`: one of `orchestrator.solvers.names()`. `think_seconds`: how long the solver may compute without
    asking, start-up included. `log`: file to which its stderr and prints are appended; None: a temporary one.
    `command`: a program to run instead of this package's solvers, with the messages of
    `orchestrator/solvers/__main__.py` on its stdin and stdout.
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
        self._look_ups: dict[str, Callable[[Sequence[Point]], list[Any]]] = {
            name: look_up
            for name, look_up in (("costs", problem.costs), ("allowed", problem.allowed))
            if look_up is not None
        }
        self._send({"problem": problem.to_json(), "look_ups": [*self._look_ups], "parent": os.getpid()})

    @property
    def pid(self) -> int:
        """The process's id, which is also its process group's."""
        return self._process.pid

    def ask(self, pause: Callable[[], None] | None = None) -> list[Ask] | None:
        """Return what to evaluate next, at least one point; None: the solver is done.

        `pause` is called several times a second while the solver computes; it may raise an exception. Raises
        SolverDied if the process ended or computed for too long, or sent no valid points.
        """
        assert not self._unanswered, "the last question has not been answered"
        message = self._receive(pause)
        while (name := message.get("look_up")) in self._look_ups:
            points = [self._problem.space.point(values) for values in message["points"]]
            self._send({"found": self._look_ups[name](points)})
            message = self._receive(pause)
        if "error" in message:
            raise self._died(f"stopped with {message['error']}")
        if message.get("done"):
            return None
        try:
            asks = [Ask.from_json(written, self._problem.space) for written in message["ask"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._died(f"asked about no point of the space: {error}") from error
        if not 1 <= len(asks) <= self._problem.batch_size:
            raise self._died(f"asked about {len(asks)} points at once, not 1 to {self._problem.batch_size}")
        self._unanswered = len(asks)
        return asks

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Answer the last question with one evaluation for each point, in the same order.

        Raises ValueError if the number of evaluations, or of constraints or objectives in one, is wrong.
        """
        if len(evaluations) != self._unanswered:
            raise ValueError(f"{len(evaluations)} answers for {self._unanswered} points; give one each")
        for evaluation in (each for each in evaluations if not each.failed):
            for what, given, wanted in (
                ("constraints", len(evaluation.constraints), self._problem.constraints),
                ("objectives", 1 + len(evaluation.others), self._problem.objectives),
            ):
                if given != wanted:
                    raise ValueError(
                        f"{evaluation} has {given} {what} and the problem {wanted}; give as many"
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
                with suppress(BrokenPipeError):  # an answer that a dead process never read
                    pipe.close()

    def __exit__(self, *error: object) -> None:
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
        with suppress(BrokenPipeError):  # it has died; the next `ask` says how
            self._process.stdin.write(json.dumps(message, allow_nan=False).encode() + b"\n")
            self._process.stdin.flush()

    def _receive(self, pause: Callable[[], None] | None) -> dict[str, Any]:
        line = self._read_line(pause)
        try:
            message = json.loads(line)
        except ValueError as error:
            raise self._died(f"sent a line that is not JSON: {line[:80]!r}") from error
        if not isinstance(message, dict):
            raise self._died(f"sent {line[:80]!r}, which is not a message")
        return message

    def _read_line(self, pause: Callable[[], None] | None) -> bytes:
        """Return the next line of the process's stdout, which is read without Python's own buffer."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        awake = Awake()  # what suspends us may suspend the solver as well
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
                raise self._died(self._describe_end())
            self._unread += received
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def _describe_end(self) -> str:
        """Say how the process ended, after it has closed its pipe."""
        try:
            code = self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            return "closed its pipe and was killed"
        if code < 0:
            return f"died of signal {-code} ({signal.strsignal(-code)})"
        return f"ended with exit code {code}"

    def _kill(self) -> None:
        self._given_up = True
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _died(self, how: str) -> SolverDied:
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(self._log_start, end - TAIL_BYTES))
        tail = self._log.read().decode(errors="replace").strip()
        where = f" (log: {self._log_path})" if self._log_path else ""
        shown = f"; the end of its log:\n{tail}" if tail else ""
        killed = self._process.poll() in (-signal.SIGKILL, -signal.SIGTERM)
        return SolverDied(f"solver {self._name} {how}{where}{shown}", killed and not self._given_up)

"""An executor that runs trials inside this process, one at a time, for tests and benchmarks of the rest.

Nothing is isolated: a crash of the program crashes this process, environment and working directory are
shared, all output goes to the job's files meanwhile, and neither `stop` nor the timeout ends the program.
"""

import contextlib
import runpy
import shlex
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from orchestrator import executors
from orchestrator.executors import HERE, ClusterOptions, Executor, ExecutorError, ExecutorModule, Exit, Job

FLAGS = frozenset({"-P", "-u", "-I", "-E", "-S", "-B"})  # of the interpreter; too late for them here


def create(
    device: str = "auto", slots: int | None = None, trainer: Sequence[str] = (), place: ClusterOptions = HERE
) -> Executor:
    """One slot in this process, whatever the device and the trainer. Raises ExecutorError for more slots."""
    place.check_only(executor="inline")
    if slots not in (None, 1):
        raise ExecutorError(f"--slots {slots}: the inline executor has 1 worker; omit --slots")
    return Inline()


class Inline:
    """Runs `python [-m] PROGRAM ARGUMENTS…` by runpy; no other command."""

    name = "inline"
    slots = 1
    device = "cpu"

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._closed = False

    def run(self, job: Job, stop: threading.Event, started: Callable[[str], None] | None = None) -> Exit:
        arguments, execute = _program(job.command)
        with self._turn:
            if stop.is_set() or self._closed:
                return Exit.before_start()
            if started:
                started(self.name)
            started_at, clock = datetime.now(UTC), time.monotonic()
            with _redirected(job, arguments):
                code = _code_of(execute)
            return Exit(
                code, "exited", self.name, time.monotonic() - clock, started_at, ended_at=datetime.now(UTC)
            )

    def close(self) -> None:
        self._closed = True
        with self._turn:
            pass


def _program(command: tuple[str, ...]) -> tuple[list[str], Callable[[], object]]:
    """The program's sys.argv, and what executes it."""
    rest = list(command[1:])
    while rest and rest[0] in FLAGS:
        rest.pop(0)
    if len(rest) > 1 and rest[0] == "-m":
        return rest[1:], lambda: runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    if rest and not rest[0].startswith("-"):
        return rest, lambda: runpy.run_path(rest[0], run_name="__main__")
    raise ExecutorError(
        f"the inline executor runs a Python script or module, not {shlex.join(command)!r}; "
        "use --executor local"
    )


@contextlib.contextmanager
def _redirected(job: Job, arguments: list[str]) -> Iterator[None]:
    own = sys.argv
    with job.stdout.open("w") as stdout, job.stderr.open("w") as stderr:
        sys.argv = arguments
        try:
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                yield
        finally:
            sys.argv = own


def _code_of(execute: Callable[[], object]) -> int:
    """Execute the program: the code that the interpreter would have exited with."""
    try:
        execute()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201 as the interpreter does
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def offered() -> Iterator[None]:
    """Within, `inline` is the name of an executor."""
    load = executors.load

    def load_or_inline(name: str) -> ExecutorModule:
        return cast(ExecutorModule, sys.modules[__name__]) if name == "inline" else load(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "load", load_or_inline)
        yield

"""Do what a command is asked. Whatever a user can mend ends in one line on stderr and exit code 2."""

from __future__ import annotations

import errno
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

import typer
from rich.console import Console

from orchestrator import environment, executors, options
from orchestrator.baseline import BaselineFailed
from orchestrator.describe import Refused, Stopped, TrainerBroken
from orchestrator.executors import ExecutorError
from orchestrator.proposals import NotReproducible, SolverFailed
from results.errors import StoreError

_MENDABLE = (
    options.BadOption,
    Refused,
    OSError,  # a folder or a disk
    StoreError,
    ExecutorError,
    BaselineFailed,
    NotReproducible,
    SolverFailed,
    TrainerBroken,
    environment.Clash,
)
_NO_THREAD = "can't start new thread"  # Python's words for EAGAIN there
_INTERRUPTED = 130
_Request = TypeVar("_Request", bound=options.Contract)


def answer(
    command: str,
    settle: Callable[[], _Request],
    run: Callable[[_Request, Console, threading.Event], None],
    show_plan: Callable[[_Request, Console], None],
) -> None:
    """Run a study as its options say, or show its plan, or say what is wrong with them in one line."""

    def act() -> None:
        request = settle()
        executors.check(request.executor, executors.offered())
        if request.plan:
            show_plan(request, Console())
            return
        stop = threading.Event()
        _stop_on_signals(stop)
        run(request, Console(), stop)

    answered(command, act)


def answered(command: str, act: Callable[[], None]) -> None:
    """Act, or say in one line what is wrong."""
    try:
        environment.refuse_clashes()
        act()
    except Stopped:
        raise typer.Exit(_INTERRUPTED) from None
    except _MENDABLE as error:
        print(f"{command}: {_one_line(error)}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(2) from None
    except RuntimeError as error:
        if str(error) != _NO_THREAD:
            raise
        print(f"{command}: {_one_line(OSError(errno.EAGAIN, _NO_THREAD))}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(2) from None


def _stop_on_signals(stop: threading.Event) -> None:
    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        advice = environment.advice(error) or "mend that"
        return f"{where}{error.strerror}; {advice} and run the same command again, nothing that ended is lost"
    return " ".join(str(error).split())

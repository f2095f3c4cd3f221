"""Run a command. An error that the user can fix ends in one line on stderr and exit code 2."""

from __future__ import annotations

import errno
import io
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, TypeVar

import typer
from rich.console import Console

from orchestrator import executors
from orchestrator.console import json_lines
from orchestrator.console.progress import ReporterFactory, open_reporter
from orchestrator.executors import ExecutorError
from orchestrator.executors._process import limits
from orchestrator.search.baseline import BaselineFailed
from orchestrator.search.common_failure import TrainingsFailed
from orchestrator.search.solver_session import NotReproducible, SolverFailed
from orchestrator.spec import command_options, options, provenance
from orchestrator.trainer_client import Stopped, TrainerBroken, TrainerRefused
from results.errors import StoreError
from results.terminal import SafeConsole, strip_escapes

_MENDABLE = (
    command_options.BadOption,
    TrainerRefused,
    OSError,  # a folder or a disk
    StoreError,
    ExecutorError,
    BaselineFailed,
    TrainingsFailed,
    NotReproducible,
    SolverFailed,
    TrainerBroken,
    provenance.Clash,
)
_NO_THREAD = "can't start new thread"  # Python's words for EAGAIN there
_INTERRUPTED = 130
_WIDE = 10_000  # columns: a line of a plan is not folded
_Request = TypeVar("_Request", bound=options.RunOptions)
EmitEnd = Callable[[int, str], None]


def answer(
    model: type[_Request],
    given: Mapping[str, Any],
    run: Callable[[_Request, Console, threading.Event, ReporterFactory], str],
    show_plan: Callable[[_Request, Console], None],
) -> None:
    """Run a study or show its plan. Print one line if its options are wrong."""
    as_json = bool(given.get("json"))

    def act() -> None:
        request = model.resolve(given)
        executors.check(request.executor)
        if request.only_shows:
            shown = io.StringIO()
            show_plan(request, Console(file=shown, width=_WIDE) if as_json else SafeConsole())
            if as_json:
                json_lines.emit("plan", lines=shown.getvalue().splitlines())
                json_lines.emit_end(0)
            return
        stop = threading.Event()
        _stop_on_signals(stop)
        console = SafeConsole(stderr=True) if as_json else SafeConsole()
        study = run(request, console, stop, json_lines.JsonProgress if as_json else open_reporter)
        if as_json:
            json_lines.emit_end(0, study=json_lines.describe_study(request.database, study))

    report_errors(model.program, act, json_lines.emit_end if as_json else None)


def report_errors(command: str, act: Callable[[], None], emit_end: EmitEnd | None = None) -> None:
    """Call `act`. Print one line if it raises an error that the user can fix, and tell it to `emit_end`."""
    tell = emit_end or (lambda code, error: None)
    try:
        provenance.refuse_clashes()
        act()
    except Stopped:
        tell(_INTERRUPTED, "stopped by the user")
        raise typer.Exit(_INTERRUPTED) from None
    except _MENDABLE as error:
        tell(2, strip_escapes(_one_line(error)))
        print(strip_escapes(f"{command}: {_one_line(error)}"), file=sys.stderr)  # noqa: T201
        raise typer.Exit(2) from None
    except Exception as error:
        if str(error) != _NO_THREAD:
            tell(1, strip_escapes(f"{type(error).__name__}: {_one_line(error)}"))
            raise
        line = _one_line(OSError(errno.EAGAIN, _NO_THREAD))
        tell(2, line)
        print(f"{command}: {line}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(2) from None


def _stop_on_signals(stop: threading.Event) -> None:
    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup, or of a background job in a script
            signal.signal(number, on_signal)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        advice = limits.ADVICE.get(error.errno or 0) or "fix that"
        return f"{where}{error.strerror}; {advice} and run the same command again; finished trials are kept"
    return " ".join(str(error).split())

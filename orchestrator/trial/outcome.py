"""Turn the end of a trainer's process into the outcome of a trial.

A failure of the machine says nothing about the network, so the trial is retried (`retries.py`). Divergence,
a limit that was exceeded, a hang or a crash of the trainer is a result, which the solver is told.
"""

from __future__ import annotations

import math
import shutil
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from orchestrator.executors import Exit
from orchestrator.pruners.learning_curve import Prune
from orchestrator.trial import metrics as metrics_log
from results.db.tables import Trial

_REFUSED, _TERMINATED, _KILLED = 2, 143, 137
_FULL_BYTES = 200_000  # of free space, below which a trainer may have failed to write a line
_ROUNDING = 1e-9  # of shares that come to whole trainings
_ACCURACIES = ("val_accuracy", "test_accuracy", "test_accuracy_1000")
_DEVICE_LOST = 6
_FAILED = {3: "diverged", 4: "out_of_memory", 5: "budget_too_short"}  # docs/trainer-protocol.md
_SUSPENDED_SHARE = 0.02  # of a budget: a trainer replans its steps if it is behind by this much
_OVER_LIMIT = {"memory": "host_memory", "output": "too_much_output"}


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended: `refused` ends the search, `stopped` and `lost` are trained again."""

    state: Literal["completed", "failed", "pruned", "refused", "stopped", "lost"]
    reason: str | None = None  # one word, for SQL
    message: str | None = None  # one line, for people
    columns: dict[str, Any] = field(default_factory=dict)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    has_read_test: bool = False  # whether test images were read, whatever came of the trial


def asked_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the accuracies that a training of `config` must report."""
    of_validation = ("val_accuracy",) if config["subset"]["validation"] else ()
    return (*of_validation, "test_accuracy") if config["test"] else of_validation


def judge(end: Exit, metrics: Path, log: Path, asked: tuple[str, ...] = ("val_accuracy",)) -> TrialOutcome:
    """Return how a trial ended, from its exit and its two files. `asked`: the accuracies it must report."""
    try:
        events = metrics_log.read(metrics)
    except metrics_log.MalformedMetrics as error:
        state, reason, message = (
            _of_the_machine(end) or _of_the_disk(metrics) or ("failed", "bad_report", str(error))
        )
        return TrialOutcome(state, reason, message, {"exit_code": end.code, "slot": end.slot})
    columns = events.machine_columns | events.final_columns | {"exit_code": end.code, "slot": end.slot}
    columns.setdefault("wall_seconds", end.wall_seconds)
    has_read_test = columns.get("test_accuracy") is not None
    if end.code == 0 and events.is_complete(asked):
        return TrialOutcome("completed", None, None, columns, events.measurements, has_read_test)
    state, reason, message = _failure(end, events, log, asked)
    columns |= dict.fromkeys(_ACCURACIES)  # whatever it wrote, this training did not finish
    return TrialOutcome(state, reason, message, columns, events.measurements, has_read_test)


def judge_suspended(found: TrialOutcome, end: Exit, config: Mapping[str, Any]) -> TrialOutcome:
    """Return the outcome `found`, or `lost` if the trial was suspended for too much of its budget.

    Its clock went on meanwhile, so it took fewer steps than others. A budget in steps is not affected.
    """
    budget = config["budget"].get("seconds", math.inf)
    is_affected = found.state in ("completed", "pruned") or found.reason == "budget_too_short"
    if not is_affected or end.slept_seconds <= _SUSPENDED_SHARE * budget:
        return found
    message = f"suspended for {end.slept_seconds:.0f} s of a budget of {budget:g} s"
    return TrialOutcome("lost", "suspended", message, {"exit_code": end.code, "slot": end.slot})


def mark_pruned(found: TrialOutcome, hopeless: Prune) -> TrialOutcome:
    """Return the outcome of a trial that was stopped early by its learning curve."""
    message = f"expected {hopeless.predicted:.2%}, required {hopeless.bound:.2%}"
    columns = found.columns | {"val_accuracy": hopeless.accuracy}
    return replace(found, state="pruned", reason="hopeless", message=message, columns=columns)


def is_training(row: Trial) -> bool:
    """Whether a trial counts against the budget: it was trained, or is being trained."""
    return row.state not in ("screened", "duplicate")


def spent(rows: Iterable[Trial]) -> float:
    """Return how many trainings of the budget these trials use: one stopped early counts as a fraction."""
    shares = (
        (row.stop_progress or 1.0) if row.state == "pruned" else 1.0 for row in rows if is_training(row)
    )
    return math.fsum(shares)


def affordable(budget_trials: int, rows: Iterable[Trial]) -> int:
    """Return how many whole trainings are left of a budget after these trials."""
    return max(0, math.floor(budget_trials - spent(rows) + _ROUNDING))


def is_open(row: Trial) -> bool:
    """Whether a recorded trial is still to be trained: it was killed, or refused by the trainer."""
    return row.state == "running" or row.reason == "refused"


_Failure = tuple[Literal["failed", "refused", "stopped", "lost"], str, str]
_OF_NATIVE_CODE = (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)
_HINTS = {9: " (the kernel's, where memory ran out?)"}


def _of_the_machine(end: Exit) -> _Failure | None:
    """Return the failure of a trial that was ended from outside, whatever its log says."""
    if end.reason == "stopped":
        return "stopped", "stopped", "stopped by the user; it will be trained again"
    if end.reason == "lost":
        return "lost", "lost", end.said
    if end.reason in _OVER_LIMIT:
        return "failed", _OVER_LIMIT[end.reason], end.said
    return None


def _of_the_disk(file: Path) -> _Failure | None:
    """Return a failure if the disk is full, so that the trainer may have been unable to write."""
    if shutil.disk_usage(file.parent).free > _FULL_BYTES:
        return None
    return "lost", "disk_full", f"the disk of {file.parent} is full; free some space"


def _of_a_signal(number: int, said: str) -> _Failure:
    """Return the failure of a killed trial: killed from outside, or crashed in native code."""
    if number in _OF_NATIVE_CODE:
        name = signal.Signals(number).name
        return (
            "lost",
            "crashed",
            f"crashed by signal {number} ({name}): native code, a driver or memory failed",
        )
    return "lost", "killed", said or f"killed from outside by signal {number}{_HINTS.get(number, '')}"


def _failure(end: Exit, events: metrics_log.MetricsLog, log: Path, asked: tuple[str, ...]) -> _Failure:
    said = str((events.last("error") or {}).get("message") or metrics_log.last_line(log))
    if found := _of_the_machine(end):
        return found
    if end.reason == "timeout":
        return "failed", "timeout", f"did not end and was stopped after {end.wall_seconds:.0f} s"
    if end.code == _REFUSED:
        return "refused", "refused", said
    if end.code == _DEVICE_LOST:
        return "lost", "device_lost", said
    if end.code in _FAILED:
        return "failed", _FAILED[end.code], said
    if end.code < 0 or end.code in (_TERMINATED, _KILLED):
        return _of_a_signal(-end.code if end.code < 0 else end.code - 128, end.said)
    if full := _of_the_disk(log):
        return full
    if end.code == 0:
        return "failed", "no_result", f"exited 0 {events.lack(asked)}; see {log}"
    return "failed", "crashed", f"exit code {end.code}: {said or 'no message'}; see {log}"


def adopt(folder: Path, asked: tuple[str, ...] = ("val_accuracy",)) -> TrialOutcome | None:
    """Return the result of a trial that ended after the orchestrator was killed, if it has one."""
    try:
        events = metrics_log.read(folder / "metrics.jsonl")
    except metrics_log.MalformedMetrics:
        return None  # train it again: that attempt left no result
    if not events.is_complete(asked):
        return None
    columns = events.machine_columns | events.final_columns
    has_read_test = columns.get("test_accuracy") is not None
    return TrialOutcome("completed", None, None, columns, events.measurements, has_read_test)

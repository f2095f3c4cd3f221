"""Turn the end of a trainer's process into the end of a trial.

A trainer that was killed from outside says nothing about its network, so that trial is handed
out again; one that diverged, ran out of memory, hung or crashed is an answer the solver hears.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from orchestrator import report
from orchestrator.early_stop import Hopeless
from orchestrator.executors import Exit
from results.models import Trial

MAX_ATTEMPTS = 3  # a trial killed this often is a failure of its own, such as a host out of memory
_REFUSED, _TERMINATED, _KILLED = 2, 143, 137
_ROUNDING = 1e-9  # of shares that come to whole trainings
_ACCURACIES = ("val_accuracy", "test_accuracy", "test_accuracy_1000")
_FAILED = {3: "diverged", 4: "out_of_memory", 5: "budget_too_short"}  # docs/trainer-protocol.md
EXIT_CODES = {"refused": _REFUSED} | {reason: code for code, reason in _FAILED.items()}


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: `refused` ends the search, `stopped` and `lost` are handed out again."""

    state: Literal["completed", "failed", "pruned", "refused", "stopped", "lost"]
    reason: str | None = None  # one word, for SQL
    message: str | None = None  # one line, for people
    columns: dict[str, Any] = field(default_factory=dict)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    has_read_test: bool = False  # whether test images were read, whatever came of the trial


def asked_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the accuracies that a training of `config` must end with."""
    of_validation = ("val_accuracy",) if config["subset"]["validation"] else ()
    return (*of_validation, "test_accuracy") if config["test"] else of_validation


def judge(end: Exit, metrics: Path, log: Path, asked: tuple[str, ...] = ("val_accuracy",)) -> Outcome:
    """Say how a trial ended, from its exit and its two files. `asked`: the accuracies it must have."""
    try:
        events = report.read(metrics)
    except report.MalformedReport as error:
        return Outcome("failed", "bad_report", str(error), {"exit_code": end.code})
    columns = events.machine_columns | events.final_columns | {"exit_code": end.code, "slot": end.slot}
    columns.setdefault("wall_seconds", end.wall_seconds)
    has_read_test = columns.get("test_accuracy") is not None
    if end.code == 0 and events.is_complete(asked):
        return Outcome("completed", None, None, columns, events.measurements, has_read_test)
    state, reason, message = _failure(end, events, log)
    columns |= dict.fromkeys(_ACCURACIES)  # whatever it printed, this training did not end
    return Outcome(state, reason, message, columns, events.measurements, has_read_test)


def pruned(found: Outcome, hopeless: Hopeless) -> Outcome:
    """Return the outcome of a trial that was stopped because its curve is hopeless."""
    message = f"expected {hopeless.predicted:.2%}, bound {hopeless.bound:.2%}"
    columns = found.columns | {"val_accuracy": hopeless.accuracy}
    return replace(found, state="pruned", reason="hopeless", message=message, columns=columns)


def is_training(row: Trial) -> bool:
    """Whether a trial costs of the budget: it was trained, or is being trained."""
    return row.state not in ("screened", "duplicate")


def spent(rows: Iterable[Trial]) -> float:
    """Return what these trials take of the budget, in trainings: a pruned one the share that it used."""
    shares = (
        (row.stop_progress or 1.0) if row.state == "pruned" else 1.0 for row in rows if is_training(row)
    )
    return math.fsum(shares)


def affordable(budget_trials: int, rows: Iterable[Trial]) -> int:
    """Return how many whole trainings are left of a budget that these trials take of."""
    return max(0, math.floor(budget_trials - spent(rows) + _ROUNDING))


def is_open(row: Trial) -> bool:
    """Whether a recorded trial is to be trained (again): left by a kill, or refused by the trainer."""
    return row.state == "running" or row.reason == "refused"


def _failure(
    end: Exit, events: report.Report, log: Path
) -> tuple[Literal["failed", "refused", "stopped", "lost"], str, str]:
    said = str((events.last("error") or {}).get("message") or report.last_line(log))
    if end.reason == "stopped":
        return "stopped", "stopped", "stopped by the user; it will be handed out again"
    if end.reason == "timeout":
        return "failed", "timeout", f"did not end by itself and was stopped after {end.wall_seconds:.0f} s"
    if end.code == _REFUSED:
        return "refused", "refused", said
    if end.code in _FAILED:
        return "failed", _FAILED[end.code], said
    if end.code < 0 or end.code in (_TERMINATED, _KILLED):
        signal = -end.code if end.code < 0 else end.code - 128
        return "lost", "killed", end.why or f"killed from outside by signal {signal}"
    if end.code == 0:
        return "failed", "no_result", f"exited 0 without a final accuracy in [0, 1]; see {log}"
    return "failed", "crashed", f"exit code {end.code}: {said or 'no message'}; see {log}"


def adopt(folder: Path, asked: tuple[str, ...] = ("val_accuracy",)) -> Outcome | None:
    """Return the result of a trial whose end was not recorded: the orchestrator was killed after it."""
    try:
        events = report.read(folder / "metrics.jsonl")
    except report.MalformedReport:
        return None  # train it again: that attempt's files are no result
    if not events.is_complete(asked):
        return None
    columns = events.machine_columns | events.final_columns
    has_read_test = columns.get("test_accuracy") is not None
    return Outcome("completed", None, None, columns, events.measurements, has_read_test)

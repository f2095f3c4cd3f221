"""Turn the end of a trainer's process into the outcome of a trial.

A failure of the machine says nothing about the network, so the trial is retried (`runner.py`). Divergence,
a limit that was exceeded, a hang or a crash of the trainer is a result, which the solver is told.
"""

from __future__ import annotations

import math
import shutil
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from orchestrator.executors import Exit
from orchestrator.exit_codes import ExitCode
from orchestrator.pruners import Prune
from orchestrator.trial import metrics as metrics_log
from orchestrator.trial.folder import TrialFolder
from results.db.tables import Trial
from results.scores import ACCURACY, SCORES, Score

_FULL_BYTES = 200_000  # of free space, below which a trainer may have failed to write a line
_ROUNDING = 1e-9  # of shares that come to whole trainings
_VALIDATED = ("val_accuracy",)
_SCORES = ("score", "val_class_accuracies", *(score.field for score in SCORES.values()))
_ACCURACIES = (*_SCORES, "test_accuracy", "test_accuracy_1000")
_SUSPENDED_SHARE = 0.02  # of a budget: a trainer replans its steps if it is behind by this much
_OVER_SHARE, _OVER_SECONDS = 0.1, 1.0  # over a budget: more than both, and the result does not count
_NATIVE_CRASHES = (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)
_Failure = tuple[Literal["failed", "refused", "stopped", "lost"], str, str]  # state, reason, message
_RESULTS = (ExitCode.DIVERGED, ExitCode.OUT_OF_MEMORY, ExitCode.BUDGET_TOO_SHORT)


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended: `refused` ends the search, `stopped` and `lost` are trained again."""

    state: Literal["completed", "failed", "pruned", "refused", "stopped", "lost"]
    reason: str | None = None  # one word, for SQL
    message: str | None = None  # one line, for people
    columns: dict[str, Any] = field(default_factory=dict)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    has_read_test: bool = False  # whether test images were read, whatever came of the trial
    most_frequent: float | None = None  # fraction of the validation images in their most frequent class
    lost_weights: str | None = None  # why those that were asked for are not there


def required_accuracies(config: Mapping[str, Any], sought: Score) -> tuple[str, ...]:
    """Return the accuracies that a training of `config` must report, the sought score among them."""
    reported = (sought.field,) if sought.is_own else tuple(dict.fromkeys((*_VALIDATED, sought.field)))
    of_validation = reported if config["subset"]["validation"] else ()
    return (*of_validation, "test_accuracy") if config["test"] else of_validation


def judge(
    end: Exit, folder: TrialFolder, required: tuple[str, ...] = _VALIDATED, sought: Score = ACCURACY
) -> TrialOutcome:
    """Return how a trial ended, from its exit and its files. `required`: the accuracies it must report.

    A training that keeps its weights has reported its result before it writes them, so however it ends
    after that, it has completed.
    """
    place = {"exit_code": end.code, "slot": end.slot}
    try:
        log = metrics_log.read(folder.metrics, sought)
    except metrics_log.MalformedMetrics as error:
        failure = _machine_failure(end) or _disk_failure(folder) or ("failed", "bad_report", str(error))
        return TrialOutcome(*failure, place)
    completed = _completed(log, {"wall_seconds": end.wall_seconds} | place)
    if log.is_complete(required) and (end.code == 0 or folder.keeps_weights):
        return _with_weights(completed, log, folder)
    state, reason, message = _failure(end, log, folder, required)
    columns = completed.columns | dict.fromkeys(_ACCURACIES)  # whatever it wrote, it did not finish
    return replace(completed, state=state, reason=reason, message=message, columns=columns)


def adopt(
    folder: TrialFolder, required: tuple[str, ...] = _VALIDATED, sought: Score = ACCURACY
) -> TrialOutcome | None:
    """Return the result of a trial that ended after the orchestrator was killed, if it has one."""
    try:
        log = metrics_log.read(folder.metrics, sought)
    except metrics_log.MalformedMetrics:
        return None  # train it again: that attempt left no result
    return _with_weights(_completed(log, {}), log, folder) if log.is_complete(required) else None


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


def judge_budget(found: TrialOutcome, config: Mapping[str, Any]) -> TrialOutcome:
    """Return the outcome `found`, or a failure if the trial took no step, or far more than its seconds.

    The first network is untrained, and the second was trained for longer than others were.
    """
    seconds, told = config["budget"].get("seconds"), found.columns
    if found.state != "completed":
        return found
    if told.get("steps") == 0:
        reason, why = "no_steps", "took no step, so its network is untrained"
    elif seconds and (over := _overshoot(told, seconds)) > max(_OVER_SHARE * seconds, _OVER_SECONDS):
        reason, why = "over_budget", f"took {seconds + over:.1f} s of a budget of {seconds:g} s"
    else:
        return found
    message = f"{why}; give a longer --budget, a smaller network or fewer --slots"
    columns = told | dict.fromkeys(_ACCURACIES)
    return replace(found, state="failed", reason=reason, message=message, columns=columns)


def mark_pruned(found: TrialOutcome, prune: Prune, sought: Score) -> TrialOutcome:
    """Return the outcome of a trial that was stopped early, with what it had reached there."""
    there = next((one for one in found.measurements if one["progress"] == prune.progress), {})
    reached = {"val_accuracy": there.get("val_accuracy"), sought.column: prune.accuracy}
    columns = found.columns | reached
    return replace(found, state="pruned", reason="hopeless", message=prune.why, columns=columns)


def is_training(row: Trial) -> bool:
    """Whether a trial counts against the budget: it was trained, or is being trained."""
    return row.state not in ("screened", "duplicate")


def is_open(row: Trial) -> bool:
    """Whether a recorded trial is still to be trained: it was killed, or refused by the trainer."""
    return row.state == "running" or row.reason == "refused"


def count_spent(rows: Iterable[Trial]) -> float:
    """Return how many trainings of the budget these trials use: one stopped early counts as a fraction."""
    shares = (
        (row.stop_progress or 1.0) if row.state == "pruned" else 1.0 for row in rows if is_training(row)
    )
    return math.fsum(shares)


def count_affordable(budget_trials: int, rows: Iterable[Trial]) -> int:
    """Return how many whole trainings are left of a budget after these trials."""
    return max(0, math.floor(budget_trials - count_spent(rows) + _ROUNDING))


def _completed(log: metrics_log.MetricsLog, columns: Mapping[str, Any]) -> TrialOutcome:
    """Return the result that a trainer reported, whose columns are used first of those given."""
    columns = {**columns, **log.machine_columns, **log.final_columns}
    has_read_test = columns.get("test_accuracy") is not None
    said = (log.last("warning") or {}).get("message")
    message = " ".join(str(said).split()) if said else None
    found = TrialOutcome("completed", None, message, columns, log.measurements, has_read_test)
    return replace(found, most_frequent=log.most_frequent)


def _with_weights(found: TrialOutcome, log: metrics_log.MetricsLog, folder: TrialFolder) -> TrialOutcome:
    """Return the outcome with the columns about its weights, or with why they are not there."""
    if not folder.keeps_weights:
        return found
    size = folder.weights_bytes
    if size is not None:
        seconds = metrics_log.number("seconds", (log.last("weights") or {}).get("seconds"))
        return replace(found, columns=found.columns | {"weights_bytes": size, "weights_seconds": seconds})
    warning, is_written = log.last("warning"), log.last("weights") is not None
    why = "they did not come back" if is_written else "the training ended before they were written"
    said = str((warning or {}).get("message") or f"the weights are not kept: {why}")
    return replace(found, lost_weights=" ".join(said.split()))


def _overshoot(told: Mapping[str, Any], seconds: float) -> float:
    """Return by how many seconds a trial exceeded its budget, by its own clock."""
    return max((told.get("train_seconds") or 0.0) - seconds, told.get("overshoot_seconds") or 0.0)


def _failure(
    end: Exit, log: metrics_log.MetricsLog, folder: TrialFolder, required: tuple[str, ...]
) -> _Failure:
    told = (log.last("error") or {}).get("message") or metrics_log.last_line(folder.log)
    said = str(told or "no message")
    if found := _machine_failure(end):
        return found
    if end.reason == "timeout":
        return "failed", "timeout", f"did not end and was stopped after {end.wall_seconds:.0f} s"
    if end.code == ExitCode.REFUSED:
        return "refused", "refused", said
    if end.code == ExitCode.DEVICE_LOST:
        return "lost", "device_lost", said
    if end.code in _RESULTS:
        return "failed", ExitCode(end.code).name.lower(), said
    if end.code < 0 or end.code in (ExitCode.KILLED, ExitCode.STOPPED):
        return _killed(-end.code if end.code < 0 else end.code - 128, end.said)
    if full := _disk_failure(folder):
        return full
    if end.code == 0:
        return "failed", "no_result", f"exited 0 {log.lack(required)}; see {folder.log}"
    return "failed", "crashed", f"exit code {end.code}: {said}; see {folder.log}"


def _machine_failure(end: Exit) -> _Failure | None:
    """Return the failure of a trial that was ended from outside, whatever its log says."""
    if end.reason == "stopped":
        return "stopped", "stopped", "stopped by the user; it will be trained again"
    if end.reason == "lost":
        return "lost", "lost", end.said
    if end.reason == "memory":
        return "failed", "host_memory", end.said
    return ("failed", "too_much_output", end.said) if end.reason == "output" else None


def _disk_failure(folder: TrialFolder) -> _Failure | None:
    """Return a failure if the disk is full, so that the trainer may have been unable to write."""
    if shutil.disk_usage(folder.path).free > _FULL_BYTES:
        return None
    return "lost", "disk_full", f"the disk of {folder.path} is full; free some space"


def _killed(number: int, said: str) -> _Failure:
    """Return the failure of a killed trial: killed from outside, or crashed in native code."""
    if number in _NATIVE_CRASHES:
        name = signal.Signals(number).name
        message = f"crashed by signal {number} ({name}): native code, a driver or memory failed"
        return "lost", "crashed", message
    hint = " (the kernel's, where memory ran out?)" if number == signal.SIGKILL else ""
    return "lost", "killed", said or f"killed from outside by signal {number}{hint}"

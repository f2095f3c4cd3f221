"""Decide whether a trial is retried after its machine failed.

A trial is retried after a failure that says nothing about its network: it was killed by a signal that is not
ours (by the kernel when memory ran out, or by an administrator), its supervisor died, no process could be
started, its node or its GPU was lost, its disk was full, or it was suspended too long. A result of the
trainer itself is never retried: a refusal, divergence, a crash, a limit that was exceeded. A trial that is
killed every time counts as failed, and the solver is told so. If the machine fails every time, the search
ends, since the next trial would fail as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from orchestrator.executors import Executor, ExecutorError, Exit, Job
from orchestrator.trial.outcome import TrialOutcome
from results.db.tables import Trial

PAUSE_SECONDS = 0.5  # before the first retry, twice that before the second
_OF_THE_MACHINE = ("lost", "device_lost", "disk_full", "suspended")


def may_try_again(found: TrialOutcome, losses: int, most: int) -> bool:
    """Whether a trial that was lost `losses` times before is retried."""
    return found.state == "lost" and losses < most


def ends_search(found: TrialOutcome) -> bool:
    """Whether a trial that was lost too often shows that no other would succeed on this machine."""
    return found.state == "lost" and found.reason in _OF_THE_MACHINE


def lost(row: Trial, found: TrialOutcome, end: Exit) -> dict[str, Any]:
    """Return the event of a lost attempt."""
    told = {"number": row.number, "attempt": row.attempts, "reason": found.reason, "message": found.message}
    return told | {"slot": end.slot, "wall_seconds": end.wall_seconds, "exit_code": end.code}


def given_up(row: Trial, found: TrialOutcome, losses: int) -> ExecutorError:
    """Return the error of a trial that was lost too often, after `losses` times before."""
    return ExecutorError(
        f"trial {row.number} was lost {losses + 1} times: {found.message}; fix that and run "
        "the same command again, finished trials are kept"
    )


def run_after(
    losses: int, executor: Executor, job: Job, stop: threading.Event, started: Callable[[str], None]
) -> Exit:
    """Run a job whose trial was lost `losses` times, after a pause."""
    if losses:
        stop.wait(PAUSE_SECONDS * losses)
    return executor.run(job, stop, started)

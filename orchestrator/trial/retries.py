"""What one training may take, and how often it is tried again where its machine failed it.

A trial is tried again for what says nothing of its network: it was killed by a signal that is not ours
(the kernel's where memory ran out, an administrator's), what guards it died, no process could be started, its
node or its GPU was lost, its disk was full, it was suspended too long. What it did itself is an answer and is
never tried again: a refusal, divergence, a crash, a limit that it went over. The surprise: a trial that is
killed every time has failed, and the solver hears so; one whose machine fails every time ends the search, for
the next one would fare no better.
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
    """Whether a trial that was lost `losses` times before is to be trained once more."""
    return found.state == "lost" and losses < most


def ends_search(found: TrialOutcome) -> bool:
    """Whether a trial that was lost once too often says that no other would do better here."""
    return found.state == "lost" and found.reason in _OF_THE_MACHINE


def lost(row: Trial, found: TrialOutcome, end: Exit) -> dict[str, Any]:
    """What the record says of an attempt that was lost."""
    told = {"number": row.number, "attempt": row.attempts, "reason": found.reason, "message": found.message}
    return told | {"slot": end.slot, "wall_seconds": end.wall_seconds, "exit_code": end.code}


def given_up(row: Trial, found: TrialOutcome, losses: int) -> ExecutorError:
    """Say that a trial was lost once too often, after `losses` times before."""
    return ExecutorError(
        f"trial {row.number} was lost {losses + 1} times: {found.message}; mend that and run "
        "the same command again, nothing that ended is lost"
    )


def run_after(
    losses: int, executor: Executor, job: Job, stop: threading.Event, started: Callable[[str], None]
) -> Exit:
    """Run a job whose trial was lost `losses` times, a while after the last time."""
    if losses:
        stop.wait(PAUSE_SECONDS * losses)
    return executor.run(job, stop, started)

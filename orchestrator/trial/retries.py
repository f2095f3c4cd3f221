"""What one training may take, and how often it is tried again where its machine failed it.

A trial is tried again for what says nothing of its network: it was killed by a signal that is not ours
(the kernel's where memory ran out, an administrator's), what guards it died, no process could be started, its
node or its GPU was lost, its disk was full, it was suspended too long. What it did itself is an answer and is
never tried again: a refusal, divergence, a crash, a limit that it went over. The surprise: a trial that is
killed every time has failed, and the solver hears so; one whose machine fails every time ends the search, for
the next one would fare no better.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.executors import Executor, ExecutorError, Exit, Job
from orchestrator.trial.outcome import TrialOutcome
from results.db.tables import Trial

RETRIES = 2
PAUSE_SECONDS = 0.5  # before the first retry, twice that before the second
_MOST_RETRIES = 100
_OF_THE_MACHINE = ("lost", "device_lost", "disk_full", "suspended")
_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@dataclass(frozen=True)
class TrialLimits:
    """Of one training. `memory_bytes`: host memory of all its processes; None: .9 of the machine's.

    `affords` says whether the study may begin an attempt more, beside so many others.
    """

    timeout_seconds: float
    memory_bytes: float | None = None
    retries: int = RETRIES
    affords: Callable[[int], bool] = lambda others: True

    def __post_init__(self) -> None:
        if not 0 < self.timeout_seconds < math.inf:
            raise ValueError(f"--timeout {self.timeout_seconds} bounds nothing; give seconds above 0")
        if not 0 <= self.retries <= _MOST_RETRIES:
            raise ValueError(f"--retries {self.retries} is out of range; give 0 to {_MOST_RETRIES}")

    @staticmethod
    def settled(
        budget_seconds: float | None, timeout: float | None, max_memory: str | None, retries: int
    ) -> TrialLimits:
        """Return those of the options; a budget in steps says nothing of time, so it gets a day.

        Raise ValueError.
        """
        usual = 86400.0 if budget_seconds is None else 1.1 * budget_seconds + 180.0
        return TrialLimits(usual if timeout is None else timeout, memory_bytes(max_memory), retries)


def memory_bytes(text: str | None) -> float | None:
    """Read an amount of memory: `8GB`, `500MB`, `6GiB`, or `none` for no limit. Raise ValueError."""
    if text is None:
        return None
    if text.strip().lower() == "none":
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    size = 0.0
    if found:
        amount, unit, binary = found.groups()
        power = list(_UNITS).index(unit.upper())
        size = float(amount) * (1024.0**power if binary else _UNITS[unit.upper()])
    if size < 1e6:
        raise ValueError(f"--max-memory {text!r} is no amount of memory; write it like 8GB, 500MB or none")
    return size


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

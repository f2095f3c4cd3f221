"""Train trials on the executor's slots and put each end on record.

Threads only wait for processes: the thread that calls `run` alone reads and writes the database,
so a trial's row is committed before its process starts and before the next one is begun.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator import outcome
from orchestrator.describe import Description, Refused, Stopped
from orchestrator.display import Display, Running
from orchestrator.executors import Executor, Exit, Job
from orchestrator.options import OWN_TRAINER
from orchestrator.outcome import MAX_ATTEMPTS, Outcome
from orchestrator.problem import Evaluation
from results.models import Trial
from results.store import Store

TEST_READ = "test_read"  # the event of a trial that has read the test images, on record with its result
_TICK_SECONDS = 0.2
_FILES = ("trial.json", "metrics.jsonl", "log.txt")
_CHECKPOINT = "checkpoint.pt"
Hear = Callable[[int, float], Evaluation]  # (MACs, accuracy) -> what the solver hears


@dataclass(frozen=True)
class Order:
    """A trial to be trained; `row` is its row where an earlier run left it unfinished."""

    number: int
    purpose: str
    point: Mapping[str, Any]
    replicate: int
    config: Mapping[str, Any]
    description: Description
    key: str
    row: Trial | None = None
    of_trial_number: int | None = None  # the trial that this one confirms
    losses: int = 0  # how often it was killed from outside since the study was taken up

    def columns(self) -> dict[str, Any]:
        budget = self.config["budget"]
        return self.description.columns() | {
            "purpose": self.purpose,
            "point": dict(self.point),
            "replicate": self.replicate,
            "of_trial_number": self.of_trial_number,
            "config": dict(self.config),
            "network_key": self.key,
            "seed": self.config["seed"],
            "subset_seed": self.config["subset"]["seed"],
            "budget_seconds": budget.get("seconds"),
            "budget_steps": budget.get("steps"),
        }


class Runner:
    """Runs the orders of one study. `folder` is the study's; each trial gets one of its own in it."""

    def __init__(
        self,
        store: Store,
        study_id: int,
        executor: Executor,
        trainer: Sequence[str],
        folder: Path,
        timeout_seconds: float,
        display: Display,
        stop: threading.Event,
        git_commit: str | None = None,
    ) -> None:
        self._store = store
        self._study_id = study_id
        self._executor = executor
        self._trainer = tuple(trainer)
        self._folder = folder
        self._timeout_seconds = timeout_seconds
        self._display = display
        self._stop = stop
        self._git_commit = git_commit
        self._waiting: deque[Order] = deque()
        self._running: dict[Future[Exit], Running] = {}
        self._ended: dict[int, Trial] = {}
        self._hear: Hear | None = None

    def run(self, orders: Sequence[Order], hear: Hear | None = None) -> list[Trial]:
        """Train `orders` and return their rows in order. Raise Stopped, Refused or a StoreError.

        `hear` gives what a solver hears of a completed trial, which is put on record with it.
        """
        self._waiting, self._ended, self._hear = deque(orders), {}, hear
        with ThreadPoolExecutor(max_workers=self._executor.slots) as pool:
            try:
                while self._running or (self._waiting and not self._stop.is_set()):
                    self._begin_what_fits(pool)
                    self._settle_what_ended()
            except BaseException:
                self._stop.set()  # the pool waits for its threads, and they for their processes
                raise
        if len(self._ended) < len(orders):
            raise Stopped
        return [self._ended[order.number] for order in orders]

    def _begin_what_fits(self, pool: ThreadPoolExecutor) -> None:
        while self._waiting and len(self._running) < self._executor.slots and not self._stop.is_set():
            self._begin(self._waiting.popleft(), pool)

    def _settle_what_ended(self) -> None:
        self._display.tick(list(self._running.values()))
        done, _ = wait(self._running, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            trial = self._running.pop(future)
            row = self._settle(trial, future.result())
            if row.state != "running":
                self._ended[row.number] = row
            else:  # lost: once more, unless it was stopped
                self._waiting.appendleft(replace(trial.order, row=row, losses=trial.order.losses + 1))

    def _begin(self, order: Order, pool: ThreadPoolExecutor) -> None:
        folder = self._folder / f"{order.number:05d}"
        left_running = order.row is not None and order.row.state == "running"
        adoptable = left_running and not order.losses and _holds(folder, order)
        found = outcome.adopt(folder, outcome.asked_of(order.config)) if adoptable else None
        if order.row and found:
            self._store.note(self._study_id, "result_adopted", {"number": order.number}, order.row.id)
            self._ended[order.number] = self._record(order, order.row, found)
            return
        trial = Running(order, self._open(order, folder), folder)
        job = Job(
            command=(*self._trainer, "train", "--config", str(folder / "trial.json"), *self._kept(folder)),
            folder=folder,
            stdout=trial.metrics,
            stderr=folder / "log.txt",
            timeout_seconds=self._timeout_seconds,
        )
        self._running[pool.submit(self._executor.run, job, self._stop, trial.has_started)] = trial
        self._display.started(trial)

    def _kept(self, folder: Path) -> tuple[str, ...]:
        """What makes our own trainer keep a checkpoint: a trial left by a kill goes on from it."""
        return ("--checkpoint", str(folder / _CHECKPOINT)) if self._trainer == OWN_TRAINER else ()

    def _open(self, order: Order, folder: Path) -> Trial:
        """Clear the folder, then commit the row: a result found beside a row is always that row's."""
        folder.mkdir(parents=True, exist_ok=True)
        resumable = order.row is not None and order.row.state == "running" and _holds(folder, order)
        for name in (*_FILES, *(() if resumable else (_CHECKPOINT,))):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(folder / name)
        columns = order.columns() | {"folder": str(folder), "git_commit": self._git_commit}
        if order.row is None:
            row = self._store.start_trial(self._study_id, order.number, **columns)
        else:
            row = self._store.restart_trial(order.row.id, **columns)
        (folder / "trial.json").write_text(json.dumps(order.config, indent=1) + "\n")
        return row

    def _settle(self, trial: Running, end: Exit) -> Trial:
        """Record how `trial` ended; its row stays `running` where it is to be trained again."""
        asked = outcome.asked_of(trial.order.config)
        found = outcome.judge(end, trial.metrics, trial.folder / "log.txt", asked)
        if found.state == "stopped":
            return trial.row
        if found.state == "lost" and trial.order.losses + 1 < MAX_ATTEMPTS:
            detail = {"number": trial.row.number, "attempt": trial.row.attempts, "message": found.message}
            self._store.note(self._study_id, "trial_lost", detail, trial.row.id)
            self._display.note(f"trial {trial.row.number} was {found.message}; training it again")
            return trial.row
        row = self._record(trial.order, trial.row, found)
        if found.state == "refused":
            raise Refused(f"the trainer refuses trial {row.number}: {found.message}")
        return row

    def _record(self, order: Order, row: Trial, found: Outcome) -> Trial:
        columns = found.columns | {"reason": found.reason, "message": found.message}
        state = "completed" if found.state == "completed" else "failed"
        if state == "completed" and self._hear is not None:
            heard = self._hear(order.description.macs, found.columns["val_accuracy"])
            columns |= {"objective": heard.objective, "constraints": list(heard.constraints)}
        events = {TEST_READ: _test_reading(order, found)} if found.has_read_test else {}
        row = self._store.finish_trial(row.id, state, found.measurements, events, **columns)
        self._display.ended(row)
        return row


def _test_reading(order: Order, found: Outcome) -> dict[str, Any]:
    """Say how the test images were read: all of them, and of those perhaps a thousand on their own."""
    images = order.description.dataset.get("test_images")
    protocols = ["all", "1000"] if found.columns.get("test_accuracy_1000") is not None else ["all"]
    return {"number": order.number, "images": images, "protocols": protocols}


def _holds(folder: Path, order: Order) -> bool:
    """Whether the files in `folder` are of this very configuration."""
    try:
        return bool(json.loads((folder / "trial.json").read_text()) == order.config)
    except (OSError, ValueError):
        return False

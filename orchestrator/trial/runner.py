"""Train trials on the executor's workers and record the end of each.

Threads only wait for processes. Only the thread that calls `run` reads and writes the database, so a
trial's row is committed before its process starts and before the next trial is started.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue

from orchestrator.awake import awake
from orchestrator.executors import Executor, Exit, Job, StopOfOne
from orchestrator.pruners.learning_curve import NEVER, LearningCurvePruner
from orchestrator.spec.limits import TrialLimits
from orchestrator.spec.options import OWN_TRAINER
from orchestrator.spec.problem import Evaluation
from orchestrator.trainer_client import Stopped, TrainerRefused
from orchestrator.trial import folder as trial_folder
from orchestrator.trial import metrics as metrics_log
from orchestrator.trial import outcome, retries, usage
from orchestrator.trial.outcome import TrialOutcome
from orchestrator.trial.progress import ProgressDisplay, RunningTrial
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.retries import run_after
from orchestrator.trial.usage import Usage
from results.db.rows import assign
from results.db.store import Store
from results.db.tables import Trial

TEST_READ = "test_read"  # the event of a trial that has read the test images, recorded with its result
_TICK_SECONDS = 0.2
_LOCK_SECONDS = 10.0  # between two checks of the study's lock, which may be lost silently
Hear = Callable[[Trial, float], Evaluation]  # (its row, its accuracy) -> what the solver is told


class Runner:
    """Runs the requests of one study. `folder` is the study's; each trial gets a folder of its own in it."""

    def __init__(
        self,
        store: Store,
        study_id: int,
        executor: Executor,
        trainer: Sequence[str],
        folder: Path,
        limits: TrialLimits,
        display: ProgressDisplay,
        stop: threading.Event,
        git_commit: str | None = None,
    ) -> None:
        self._store = store
        self._study_id = study_id
        self._executor = executor
        self._trainer = tuple(trainer)
        self._folder = folder
        self.limits = limits
        self._display = display
        self._stop = stop
        self._git_commit = git_commit
        self._waiting: deque[TrialRequest] = deque()
        self._running: dict[Future[Exit], RunningTrial] = {}
        self._done: SimpleQueue[Future[Exit]] = SimpleQueue()
        self._looked = 0.0  # when the curves of running trials were last read
        self._kept = time.monotonic()  # when the study's lock was last checked
        self._ended: dict[int, Trial] = {}
        self._hear: Hear | None = None
        self._rule = NEVER

    def run(
        self, orders: Sequence[TrialRequest], hear: Hear | None = None, rule: LearningCurvePruner = NEVER
    ) -> list[Trial]:
        """Train `orders` and return their rows in order. Raise Stopped, TrainerRefused or a StoreError.

        After StudyLost, a StoreError, nothing is recorded any more, since another process has the study.

        `hear` returns what the solver is told of a completed trial, and of one that `rule` stopped, from its
        predicted accuracy; it is recorded with the trial. A lost trial without hours for a retry stays
        `running`.
        """
        self._ended, self._hear, self._rule = {}, hear, rule
        left = [order for order in orders if not self._adopted(order)]  # before any folder is cleared
        self._waiting = deque(left)
        with ThreadPoolExecutor(max_workers=self._executor.slots) as pool:
            try:
                while self._running or (self._waiting and not self._stop.is_set()):
                    self._begin_what_fits(pool)
                    self._settle_what_ended()
            except BaseException:
                self._stop.set()  # the pool waits for its threads, which wait for their processes
                raise
        if len(self._ended) < len(orders):
            raise Stopped
        return [self._ended[order.number] for order in orders]

    def _begin_what_fits(self, pool: ThreadPoolExecutor) -> None:
        while self._waiting and len(self._running) < self._executor.slots and not self._stop.is_set():
            self._begin(self._waiting.popleft(), pool)

    def _settle_what_ended(self) -> None:
        running = list(self._running.values())
        self._display.tick(running)
        if time.monotonic() - self._looked >= _TICK_SECONDS:
            for trial in running:
                self._stop_if_hopeless(trial)
            self._looked = time.monotonic()
        if time.monotonic() - self._kept >= _LOCK_SECONDS:
            self._keep_study()
        for future in self._arrived():
            self._settle(self._running.pop(future), future.result())

    def _arrived(self) -> list[Future[Exit]]:
        """Return what has ended; if nothing has, wait a moment for it.

        The cost of a queue does not grow with the number of running trials; polling each future would.
        """
        began, ended = time.monotonic(), list[Future[Exit]]()
        with suppress(Empty):
            ended.append(self._done.get(timeout=_TICK_SECONDS))
        waited = time.monotonic() - began
        self._display.slept(waited - awake(waited))
        with suppress(Empty):
            while ended:
                ended.append(self._done.get_nowait())
        return ended

    def _keep_study(self) -> None:
        self._store.keep_study(self._study_id)
        self._kept = time.monotonic()

    def _stop_if_hopeless(self, trial: RunningTrial) -> None:
        """End a trial that the rule stops, unless it is exempt (audited)."""
        if trial.stop.is_set() or not trial.has_news() or self._rule.audits(trial.row.number):
            return
        if self._rule.first_stop(metrics_log.read_measurements(trial.metrics)):
            trial.stop.set()

    def _adopted(self, order: TrialRequest) -> bool:
        """Record the result of a trial that ended while no orchestrator ran; return whether there is one."""
        folder = self._folder_of(order)
        if order.row is None or order.row.state != "running" or not trial_folder.holds(folder, order.config):
            return False
        found = outcome.adopt(folder, outcome.asked_of(order.config))
        if found is None:
            return False
        trial_folder.forget_job(folder)
        self._store.note(self._study_id, "result_adopted", {"number": order.number}, order.row.id)
        used = usage.adopt_usage(found, order.row)
        self._ended[order.number] = self._record(order, order.row, found, used)
        return True

    def _begin(self, order: TrialRequest, pool: ThreadPoolExecutor) -> None:
        self._keep_study()  # otherwise the trial's folder may belong to another process by now
        trial = RunningTrial(order, self._open(order), self._folder_of(order), StopOfOne(self._stop))
        folder = trial.folder
        kept = trial_folder.checkpoint_words(folder) if self._trainer == OWN_TRAINER else ()
        job = Job(
            command=(*self._trainer, "train", "--config", str(folder / "trial.json"), *kept),
            folder=folder,
            stdout=trial.metrics,
            stderr=folder / "log.txt",
            timeout_seconds=self.limits.timeout_seconds,
            memory_bytes=self.limits.memory_bytes,
        )
        future = pool.submit(run_after, order.losses, self._executor, job, trial.stop, trial.has_started)
        self._running[future] = trial
        future.add_done_callback(self._done.put)
        self._display.started(trial)

    def _folder_of(self, order: TrialRequest) -> Path:
        return self._folder / f"{order.number:05d}"

    def _open(self, order: TrialRequest) -> Trial:
        """Clear the folder, then commit the row: so a result found in a row's folder always belongs to it."""
        folder = self._folder_of(order)
        columns = order.columns() | {"folder": str(folder), "git_commit": self._git_commit}
        was_running = order.row is not None and order.row.state == "running"
        name = self._executor.name
        if order.row is not None and was_running and not trial_folder.goes_on(folder, order.config, name):
            columns |= usage.estimate_usage(order.row, folder, self.limits.timeout_seconds).columns()
        trial_folder.prepare(folder, order.config, was_running, name)
        if order.row is None:
            row = self._store.start_trial(self._study_id, order.number, **columns)
        else:
            row = self._store.restart_trial(order.row.id, **columns)
        trial_folder.write_config(folder, order.config)
        return row

    def _settle(self, trial: RunningTrial, end: Exit) -> None:
        """Record how `trial` ended; its row stays `running` if it is retried."""
        order, row = trial.order, trial.row
        found = outcome.judge(end, trial.metrics, trial.folder / "log.txt", outcome.asked_of(order.config))
        if found.state == "stopped":
            hopeless = self._rule.first_stop(found.measurements)
            if hopeless is None or self._rule.audits(order.number):
                self._charged(row, usage.of_exit(end))
                return
            found = outcome.mark_pruned(found, hopeless)
            trial_folder.forget_checkpoint(trial.folder)
        found = outcome.judge_suspended(found, end, order.config)
        if found.state == "lost" and self._is_tried_again(trial, found, end):
            return
        self._ended[row.number] = self._record(order, row, found, usage.on_record(row) + usage.of_exit(end))
        if found.state == "refused":
            raise TrainerRefused(f"the trainer refuses trial {row.number}: {found.message}")

    def _is_tried_again(self, trial: RunningTrial, found: TrialOutcome, end: Exit) -> bool:
        """Whether a lost trial is retried. Raise ExecutorError if no other trial would succeed either."""
        order, row = trial.order, trial.row
        self._store.note(self._study_id, "trial_lost", retries.lost(row, found, end), row.id)
        again = retries.may_try_again(found, order.losses, self.limits.retries)
        if not again and not retries.ends_search(found):
            return False
        trial_folder.put_aside(trial.folder, row.attempts)
        if found.reason == "suspended":
            trial_folder.forget_checkpoint(trial.folder)
        row = self._charged(row, usage.of_exit(end))
        if not again:
            raise retries.given_up(row, found, order.losses)
        if not self.limits.affords(len(self._running) + len(self._waiting)):
            self._ended[row.number] = row  # left unfinished, for the same command with more hours
            self._display.note(
                f"trial {row.number} is lost, {found.message}; no device-hours are left to retry it"
            )
            return True
        self._display.note(f"trial {row.number} is lost, {found.message}; retrying it")
        self._waiting.appendleft(replace(order, row=row, losses=order.losses + 1))
        return True

    def _charged(self, row: Trial, used: Usage) -> Trial:
        """Return the row with the usage of an unfinished attempt added."""
        return self._store.charge_trial(row.id, **(usage.on_record(row) + used).columns())

    def _record(self, order: TrialRequest, row: Trial, found: TrialOutcome, used: Usage) -> Trial:
        columns = found.columns | used.columns() | {"reason": found.reason, "message": found.message}
        state = found.state if found.state in ("completed", "pruned") else "failed"
        if state != "failed":
            columns |= self._rule.columns(order.number, found.measurements)
        if state != "failed" and self._hear is not None:
            assign(row, **columns, state=state)  # with what only the training tells
            known = columns["predicted_accuracy" if state == "pruned" else "val_accuracy"]
            columns |= self._hear(row, known).columns()
        events = {TEST_READ: order.test_reading(found)} if found.has_read_test else {}
        row = self._store.finish_trial(row.id, state, found.measurements, events, **columns)
        self._display.ended(row)
        return row

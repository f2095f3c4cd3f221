"""Train trials on the executor's workers and record the end of each.

Threads only wait for processes. Only the thread that calls `run` reads and writes the database, so a
trial's row is committed before its process starts and before the next trial is started.

A trial is retried after a failure that says nothing about its network: it was killed by a signal that is not
ours (by the kernel when memory ran out, or by an administrator), its supervisor died, no process could be
started, its node or its GPU was lost, its disk was full, or it was suspended too long. A result of the
trainer itself is never retried: a refusal, divergence, a crash, a limit that was exceeded. A trial that is
killed every time counts as failed, and the solver is told so. If the machine fails every time, the search
ends, since the next trial would fail as well.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from orchestrator.awake import awake
from orchestrator.executors import ExecutorError, Exit, Job, StopOfOne
from orchestrator.pruners import NEVER, EarlyStopping
from orchestrator.spec import provenance
from orchestrator.spec.options import OWN_TRAINER
from orchestrator.spec.problem import Evaluation
from orchestrator.trainer_client import Stopped, TrainerRefused
from orchestrator.trial import metrics as metrics_log
from orchestrator.trial import outcome, usage, weights_policy
from orchestrator.trial.context import StudyContext, TrialSpec
from orchestrator.trial.folder import TrialFolder, trial_folder
from orchestrator.trial.outcome import TrialOutcome
from orchestrator.trial.request import RunningTrial, TrialRequest
from orchestrator.trial.usage import Usage
from results import file_names
from results.db.rows import assign
from results.db.tables import Trial

WEIGHTS_LOST = "weights_lost"  # event: why those that a training should have kept are not there
VALIDATION_CLASSES = "validation_classes"  # event: how frequent their most frequent class is
PAUSE_SECONDS = 0.5  # before the first retry, twice that before the second
_TICK_SECONDS = 0.2
_LOCK_SECONDS = 10.0  # between two checks of the study's lock, which may be lost silently
_MACHINE_FAILS = ("lost", "device_lost", "disk_full", "suspended")  # no other trial would succeed either
Evaluate = Callable[[Trial, float], Evaluation]  # (its row, its accuracy) -> what the solver is told


class Runner:
    """Trains the requests of one study, each in a folder of its own.

    `affords`: whether the study's budget allows one more attempt besides so many others.
    """

    def __init__(
        self, context: StudyContext[TrialSpec], affords: Callable[[int], bool] = lambda others: True
    ) -> None:
        self.affords = affords
        self._context = context
        self._store, self._study_id = context.store, context.study.id
        self._folder, self._sought = context.folder, context.sought
        self._trainer, self._limits = context.spec.request.trainer_command, context.spec.request.limits
        self._waiting: deque[TrialRequest] = deque()
        self._running: dict[Future[Exit], RunningTrial] = {}
        self._done: SimpleQueue[Future[Exit]] = SimpleQueue()
        self._looked = 0.0  # when the curves of running trials were last read
        self._kept = time.monotonic()  # when the study's lock was last checked
        self._ended: dict[int, Trial] = {}
        self._results: dict[int, TrialOutcome] = {}  # of an earlier run, by number: without weights as yet
        self._evaluate: Evaluate | None = None
        self._pruner = NEVER

    def run(
        self,
        requests: Sequence[TrialRequest],
        evaluate: Evaluate | None = None,
        pruner: EarlyStopping = NEVER,
    ) -> list[Trial]:
        """Train `requests` and return their rows in order. Raise Stopped, TrainerRefused or a StoreError.

        After StudyLost, a StoreError, nothing is recorded any more, since another process has the study.

        `evaluate` returns what the solver is told of a completed trial, and of one that `pruner` stopped,
        from its predicted accuracy; it is recorded with the trial. A lost trial without hours for a retry
        stays `running`.
        """
        self._ended, self._evaluate, self._pruner = {}, evaluate, pruner
        left = [request for request in requests if not self._adopt(request)]  # before any folder is cleared
        self._waiting = deque(left)
        stop = self._context.stop
        with ThreadPoolExecutor(max_workers=self._context.executor.slots) as pool:
            try:
                while self._running or (self._waiting and not stop.is_set()):
                    self._start_what_fits(pool)
                    self._watch()
                    for future in self._collect_ended():
                        self._end(self._running.pop(future), future.result())
            except BaseException:
                stop.set()  # the pool waits for its threads, which wait for their processes
                raise
        if len(self._ended) < len(requests):
            raise Stopped
        return [self._ended[request.number] for request in requests]

    def _adopt(self, request: TrialRequest) -> bool:
        """Record the result of a trial that ended while no orchestrator ran; return whether that is done.

        A job that outlives its orchestrator may still write the weights, so it is followed to its end.
        """
        row, folder = request.row, self._folder_of(request)
        if row is None or row.state != "running" or not folder.has_config(request.config):
            return False
        found = outcome.adopt(folder, self._required(request), self._sought)
        if found is None:
            return False
        if found.lost_weights is not None and folder.has_job(request.config, self._context.executor.name):
            self._results[request.number] = found
            return False
        self._record_adopted(request, row, found)
        return True

    def _record_adopted(self, request: TrialRequest, row: Trial, found: TrialOutcome) -> None:
        found = outcome.judge_budget(found, request.config)
        self._folder_of(request).remove_job()
        self._store.note(self._study_id, "result_adopted", {"number": request.number}, row.id)
        self._record(request, row, found, usage.add_adopted(row, found.columns))

    def _start_what_fits(self, pool: ThreadPoolExecutor) -> None:
        slots, stop = self._context.executor.slots, self._context.stop
        while self._waiting and len(self._running) < slots and not stop.is_set():
            self._start(self._waiting.popleft(), pool)

    def _start(self, request: TrialRequest, pool: ThreadPoolExecutor) -> None:
        self._keep_study()  # otherwise the trial's folder may belong to another process by now
        folder = self._folder_of(request)
        trial = RunningTrial(request, self._open(request, folder), folder, StopOfOne(self._context.stop))
        checkpoint = ("--checkpoint", str(folder.checkpoint)) if self._trainer == OWN_TRAINER else ()
        job = Job(
            command=(*self._trainer, "train", "--config", str(folder.config), *checkpoint),
            folder=folder.path,
            stdout=folder.metrics,
            stderr=folder.log,
            timeout_seconds=self._limits.timeout_seconds,
            needed=_initial_weights(request.config),
            memory_bytes=self._limits.memory_bytes,
            follow_only=request.number in self._results,
        )
        future = pool.submit(self._run_job, job, trial)
        self._running[future] = trial
        future.add_done_callback(self._done.put)
        self._context.reporter.show_start(trial)

    def _required(self, request: TrialRequest) -> tuple[str, ...]:
        return outcome.required_accuracies(request.config, self._sought)

    def _folder_of(self, request: TrialRequest) -> TrialFolder:
        return TrialFolder(trial_folder(self._folder, request.number))

    def _open(self, request: TrialRequest, folder: TrialFolder) -> Trial:
        """Clear the folder, then commit the row: so a result found in a row's folder always belongs to it."""
        row, executor = request.row, self._context.executor.name
        columns = request.columns() | {"folder": str(folder.path), "git_commit": provenance.git_commit()}
        was_running = row is not None and row.state == "running"
        if row is not None and was_running and not folder.has_job(request.config, executor):
            columns |= usage.estimate_usage(row, folder, self._limits.timeout_seconds).columns()
        folder.prepare(request.config, was_running, executor)
        if row is None:
            row = self._store.start_trial(self._study_id, request.number, **columns)
        else:
            row = self._store.restart_trial(row.id, **columns)
        folder.write_config(request.config, weights_policy.provenance_of(self._context, request))
        return row

    def _run_job(self, job: Job, trial: RunningTrial) -> Exit:
        """Run a trial's job, after a pause if the trial was lost. A thread of the pool does this."""
        if trial.request.losses:
            trial.stop.wait(PAUSE_SECONDS * trial.request.losses)
        return self._context.executor.run(job, trial.stop, trial.start)

    def _watch(self) -> None:
        """Show the running trials, stop those that the pruner stops, and keep the study's lock."""
        running = list(self._running.values())
        self._context.reporter.tick(running)
        if time.monotonic() - self._looked >= _TICK_SECONDS:
            for trial in running:
                self._stop_if_hopeless(trial)
            self._looked = time.monotonic()
        if time.monotonic() - self._kept >= _LOCK_SECONDS:
            self._keep_study()

    def _stop_if_hopeless(self, trial: RunningTrial) -> None:
        """End a trial that the pruner stops, unless it is exempt: a repeat, or audited."""
        is_exempt = trial.request.purpose != "search" or self._pruner.audits(trial.row.number)
        if trial.stop.is_set() or is_exempt or not trial.has_news():
            return
        if self._pruner.find_stop(metrics_log.read_measurements(trial.folder.metrics, self._sought)):
            trial.stop.set()

    def _keep_study(self) -> None:
        self._store.keep_study(self._study_id)
        self._kept = time.monotonic()

    def _collect_ended(self) -> list[Future[Exit]]:
        """Return what has ended; if nothing has, wait a moment for it.

        The cost of a queue does not grow with the number of running trials; polling each future would.
        """
        began, ended = time.monotonic(), list[Future[Exit]]()
        with suppress(Empty):
            ended.append(self._done.get(timeout=_TICK_SECONDS))
        waited = time.monotonic() - began
        self._context.reporter.skip_seconds(waited - awake(waited))
        with suppress(Empty):
            while ended:
                ended.append(self._done.get_nowait())
        return ended

    def _end(self, trial: RunningTrial, end: Exit) -> None:
        """Record how `trial` ended; its row stays `running` if it is retried."""
        request, row = trial.request, trial.row
        found = outcome.judge(end, trial.folder, self._required(request), self._sought)
        earlier = self._results.pop(request.number, None)
        if earlier is not None and (found.state != "completed" or not end.wall_seconds):
            self._record_adopted(request, row, earlier)  # the job that had this result is gone
            return
        if found.state == "stopped":
            prune = self._pruner.find_stop(found.measurements)
            if prune is None or self._pruner.audits(request.number):
                self._charge(row, end)
                return
            found = outcome.mark_pruned(found, prune, self._sought)
            trial.folder.remove_checkpoint()
        found = outcome.judge_suspended(found, end, request.config)
        found = outcome.judge_budget(found, request.config)
        if found.state == "lost" and self._is_left_open(trial, found, end):
            return
        self._record(request, row, found, usage.add_exit(row, end))
        if found.state == "refused":
            raise TrainerRefused(f"the trainer refuses trial {row.number}: {found.message}")

    def _is_left_open(self, trial: RunningTrial, found: TrialOutcome, end: Exit) -> bool:
        """Retry a lost trial, if it may be, and return whether its row stays `running`.

        Raise ExecutorError if no other trial would succeed either.
        """
        request, row = trial.request, trial.row
        self._note_loss(row, found, end)
        is_last = request.losses >= self._limits.retries
        if is_last and found.reason not in _MACHINE_FAILS:
            return False
        trial.folder.put_aside(row.attempts)
        if found.reason == "suspended":
            trial.folder.remove_checkpoint()
        row = self._charge(row, end)
        if is_last:
            raise ExecutorError(
                f"trial {row.number} was lost {request.losses + 1} times: {found.message}; fix that and run "
                "the same command again, finished trials are kept"
            )
        said = f"trial {row.number} is lost, {found.message}"
        if not self.affords(len(self._running) + len(self._waiting)):
            self._ended[row.number] = row  # left unfinished, for the same command with more hours
            self._context.reporter.note(f"{said}; no device-hours are left to retry it")
            return True
        self._context.reporter.note(f"{said}; retrying it")
        self._waiting.appendleft(replace(request, row=row, losses=request.losses + 1))
        return True

    def _note_loss(self, row: Trial, found: TrialOutcome, end: Exit) -> None:
        attempt = {"number": row.number, "attempt": row.attempts}
        why = {"reason": found.reason, "message": found.message}
        where = {"slot": end.slot, "wall_seconds": end.wall_seconds, "exit_code": end.code}
        self._store.note(self._study_id, "trial_lost", attempt | why | where, row.id)

    def _charge(self, row: Trial, end: Exit) -> Trial:
        """Return the row with the usage of an unfinished attempt added."""
        return self._store.charge_trial(row.id, **usage.add_exit(row, end).columns())

    def _record(self, request: TrialRequest, row: Trial, found: TrialOutcome, used: Usage) -> None:
        columns = found.columns | used.columns() | {"reason": found.reason, "message": found.message}
        state = found.state if found.state in ("completed", "pruned") else "failed"
        if state != "failed" and request.purpose == "search":
            columns |= self._pruner.columns(request.number, found.measurements)
        if state != "failed" and self._evaluate is not None:
            assign(row, **columns, state=state)  # with what only the training tells
            known = columns["predicted_accuracy" if state == "pruned" else self._sought.column]
            columns |= self._evaluate(row, known).columns()
        events = {"test_read": _test_reading(request, found)} if found.has_read_test else {}
        if found.most_frequent is not None and request.is_of_the_start:
            events[VALIDATION_CLASSES] = {"number": request.number, "most_frequent": found.most_frequent}
        if found.lost_weights is not None and state == "completed":
            events[WEIGHTS_LOST] = {"number": request.number, "message": found.lost_weights}
        is_kept = state == "completed" and columns.get("weights_bytes") is not None
        if not is_kept:
            columns |= dict.fromkeys(weights_policy.COLUMNS)
            self._folder_of(request).remove_weights()
        row = self._store.finish_trial(row.id, state, found.measurements, events, **columns)
        self._ended[row.number] = row
        self._context.reporter.show_end(row)
        if WEIGHTS_LOST in events:
            self._context.reporter.note(f"trial {row.number}: {found.lost_weights}")
        if is_kept:
            weights_policy.keep_one_of(row, self._context)


def _initial_weights(config: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the files of the network whose weights a training starts from."""
    folder = config.get("init", {}).get("folder")
    return tuple(Path(folder) / name for name in (file_names.MODEL, file_names.WEIGHTS)) if folder else ()


def _test_reading(request: TrialRequest, found: TrialOutcome) -> dict[str, object]:
    """Return the event of reading the test images: all of them, and of those perhaps 1,000 on their own."""
    images = request.description.dataset.get("test_images")
    protocols = ["all", "1000"] if found.columns.get("test_accuracy_1000") is not None else ["all"]
    return {"number": request.number, "images": images, "protocols": protocols}

"""Requests that change something: start, stop, resume or delete a search."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fastapi import HTTPException

from orchestrator.executors import ExecutorError
from orchestrator.service import files, schemas
from orchestrator.service.one_at_a_time import OneAtATime
from orchestrator.service.queue_worker import QueueWorker
from orchestrator.service.settings import Settings
from orchestrator.spec import search_options
from orchestrator.spec.command_options import BadOption
from orchestrator.study import plan
from orchestrator.trainer_client import Stopped, TrainerBroken, TrainerClient, TrainerRefused
from results.db import locks, study_files
from results.db.search_queue import SearchQueue, repeatable

_PLAN_SECONDS = 600.0  # a plan reads all images of a folder
_NO_ANSWER = f"the trainer did not answer within {_PLAN_SECONDS:.0f} s"


class Actions:
    """Handles the requests that change the database or start a process."""

    def __init__(self, settings: Settings, queue: SearchQueue, worker: QueueWorker) -> None:
        self.settings = settings
        self.queue = queue
        self.worker = worker
        self._planning = OneAtATime("plan")  # each is a process that imports torch
        self._networks: list[dict[str, Any]] | None = None

    def start(self, kind: str, subject: str, asked: Mapping[str, Any]) -> str:
        """Queue a search and return its study's name. Raise BadOption or HTTPException."""
        allowed = schemas.restrict_options(kind, subject, asked, self.settings)
        request = schemas.settle(kind, subject, allowed, self.settings)
        name = self._check(request)
        self._enqueue(name, kind, subject, {**allowed, "study": name})
        return name

    def plan(self, kind: str, subject: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the lines that `--plan` prints for a search, and its study's name."""
        allowed = schemas.restrict_options(kind, subject, asked, self.settings)
        schemas.settle(kind, subject, allowed, self.settings)
        ended = self._run(schemas.command(kind, subject, allowed, self.settings, "--plan"))
        if ended.returncode != 0:
            lines = ended.stderr.strip().splitlines() or ["the plan failed without a message"]
            raise BadOption(lines[-1].removeprefix(f"{kind}-search: "))
        lines = ended.stdout.splitlines()
        name = plan.study_of(lines[0])
        return {"study": name, "lines": lines, "on_record": self._exists(name)}

    def resume(self, name: str, changes: Mapping[str, Any]) -> None:
        """Queue the search of a study again, with `changes` of its options. Raise BadOption."""
        request = self.queue.request(name)
        if request is None:
            self._check_exists(name)
            raise HTTPException(
                409, f"the options of {name} are not in the results database; repeat its command to resume it"
            )
        options = {**repeatable(request.kind, request.options), **changes, "study": name}
        options = {option: value for option, value in options.items() if value is not False}
        allowed = schemas.restrict_options(request.kind, request.subject, options, self.settings)
        self._check(schemas.settle(request.kind, request.subject, allowed, self.settings))
        self._enqueue(name, request.kind, request.subject, allowed)

    def stop(self, name: str) -> None:
        """Remove a search from the queue, or stop its process as Ctrl-C does."""
        try:
            is_stopped = self.worker.stop(name)
        except OSError as error:
            why = f"{name} cannot be stopped from here: {error.strerror}; press Ctrl-C where it runs"
            raise HTTPException(409, why) from error
        if not is_stopped:
            self._check_exists(name)
            raise HTTPException(409, f"{name} is not running on this machine")
        self.worker.wake()

    def delete(self, name: str, confirm: str) -> str | None:
        """Delete a study's rows and its folder, if `confirm` repeats its name.

        Return which files are left, and why: those of another database's study are not removed.
        """
        if confirm != name:
            raise HTTPException(422, f"confirm: repeat the study's name, {name}, to delete it")
        self.queue.withdraw(name)
        self._check_exists(name)
        request = self.queue.request(name)
        if request is not None and request.state != "ended":
            raise HTTPException(409, f"{name} is running; stop it first")
        with self.queue.lock_study(name):
            folder = files.resolve_inside(self.settings.runs, name)
            is_recorded = self.queue.study(name) is not None
            self.queue.delete_study(name)
            return self._remove_files(name, folder if is_recorded else None)

    def _remove_files(self, name: str, folder: Path | None) -> str | None:
        """Remove a study's files. Return what is left and why, None if nothing is."""
        try:
            for suffix in ("log", "lock"):
                self.worker.file(name, suffix).unlink(missing_ok=True)
            if folder is None or not folder.is_dir() or folder.parent != self.settings.runs:
                return None
            if study_files.is_own(folder, self.queue.url):
                study_files.remove(folder)
                return None
        except OSError as error:
            return f"{error.filename} is left: {error.strerror}"
        return f"{folder} is left: it belongs to {study_files.read_owner(folder) or 'no results database'}"

    def networks(self) -> list[dict[str, Any]]:
        """Return the trainer's networks, which are read once."""
        if self._networks is None:
            trainer = schemas.settle("nas", "any", {}, self.settings).trainer_command
            self._networks = schemas.networks(self._run([*trainer, "models"]).stdout)
        return self._networks

    def _check(self, request: search_options.SearchOptions) -> str:
        """Return the name of the search's study. Raise the errors with which it would end at its start."""
        stop = threading.Event()
        timer = threading.Timer(_PLAN_SECONDS, stop.set)
        with self._planning.hold(), ExitStack() as stack:
            stack.callback(timer.cancel)
            timer.start()
            try:
                limit = request.limits.memory_bytes
                trainer_client = stack.enter_context(
                    TrainerClient(request.trainer_command, limit, check_data=False, stop=stop)
                )
                planned = request.model_copy(update={"plan": True})
                return plan.check_request(planned, trainer_client, stack)[0].study_name
            except (TrainerRefused, TrainerBroken, ExecutorError) as error:
                raise BadOption(str(error)) from error
            except Stopped:
                raise BadOption(_NO_ANSWER) from None

    def _enqueue(self, name: str, kind: str, subject: str, options: Mapping[str, Any]) -> None:
        is_running, most = locks.holder(self.queue.url, name) is not None, self.settings.limits.queued
        if is_running or not self.queue.enqueue(name, kind, subject, options, most):
            request = self.queue.request(name)
            if is_running or (request is not None and request.state != "ended"):
                raise HTTPException(409, f"{name} is already running")
            raise HTTPException(409, "the queue is full; stop a search first")
        self.worker.wake()

    def _check_exists(self, name: str) -> None:
        if not self._exists(name):
            raise HTTPException(404, f"there is no study {name!r}")

    def _exists(self, name: str) -> bool:
        return self.queue.study(name) is not None or self.queue.request(name) is not None

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "NAS_DB": self.settings.database}
        with self._planning.hold():
            try:
                return subprocess.run(
                    command,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=_PLAN_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise BadOption(_NO_ANSWER) from None

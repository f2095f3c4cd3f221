"""Process the queue: start each search as a process of its own, and record its end.

A search does not depend on the service: it has its own session, writes to files, and inherits a lock on one
of them. So its search goes on when the service is killed or restarted, and the lock shows which searches
still run.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from orchestrator.service import schemas
from orchestrator.service.settings import Settings
from orchestrator.spec.command_options import BadOption
from orchestrator.trial import metrics
from results import file_names
from results.db import locks, study_files
from results.db.search_queue import SearchQueue, repeatable
from results.db.tables import SearchRequest
from results.errors import StoreError, StudyLocked, StudyLost

_TICK_SECONDS = 0.3
_STUCK_SECONDS = 60.0  # without a tick
_FULL = (errno.ENOSPC, errno.EDQUOT)
_QUEUE = file_names.SERVICE  # no study can have that name, so its lock is free to be the queue's
_log = logging.getLogger(__name__)

Tell = Callable[..., None]


def no_one(event: str, **facts: Any) -> None:
    """Tell no one."""


class QueueWorker:
    """Processes the queue of a database, in a thread between `open` and `close`.

    tell: is called with the name of an event, as of `nas-serve --json`, and what is known of it
    """

    def __init__(self, settings: Settings, queue: SearchQueue, tell: Tell = no_one) -> None:
        self.settings = settings
        self.queue = queue
        self._tell = tell
        self._children: dict[int, subprocess.Popen[bytes]] = {}  # by request; those of this service
        self._closing = threading.Event()
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="queue", daemon=True)
        self._locks = ExitStack()
        self._ticked_at = -math.inf

    @property
    def is_working(self) -> bool:
        """Whether the queue has been processed lately: no error stopped it, and nothing blocks it."""
        is_recent = time.monotonic() - self._ticked_at < _STUCK_SECONDS
        return is_recent and self._thread.is_alive() and not self._closing.is_set()

    def open(self) -> None:
        """Start. Raise BadOption if another service processes the same queue."""
        self.settings.own.mkdir(parents=True, exist_ok=True)
        lock = _try_lock(self.settings.own / "service.lock")
        if lock is None:
            raise BadOption(f"another nas-serve serves {self.settings.runs}; stop it, or give another --runs")
        self._locks.callback(os.close, lock)
        try:
            self._locks.enter_context(self.queue.lock_study(_QUEUE))
        except StudyLocked as error:
            raise BadOption(
                f"another nas-serve processes the queue of {self.queue.url.render_as_string()}; "
                "stop it, or give another --db"
            ) from error
        self._requeue_lost()
        self._thread.start()

    def close(self) -> None:
        """End the thread; running searches go on."""
        self._closing.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join()
        for child in self._children.values():
            child.returncode = child.poll() or 0  # nobody waits for it any more: that is the point
        self._locks.close()

    def wake(self) -> None:
        """Check the queue at once, because it has changed."""
        self._changed.set()

    def file(self, study: str, suffix: str) -> Path:
        """Return a file of a search: the `log` of its output, or the `lock` that it holds while it runs."""
        return study_files.service_file(self.settings.runs, study, suffix)

    def stop(self, study: str) -> bool:
        """Remove the search from the queue, or ask its process to stop; False if there is none here.

        Raise OSError if this system does not allow to signal its process.
        """
        if self.queue.withdraw(study):
            return True
        request = self.queue.request(study)
        is_ours = request is not None and request.state == "running" and self._is_alive(request)
        held = (self._read_lock(study) if is_ours else {}) or locks.holder(self.queue.url, study) or {}
        if held.get("pid") == str(os.getpid()):  # the lock of a study that is just being deleted is ours
            return False
        return locks.send_signal(held, signal.SIGTERM)

    def tick(self) -> None:
        """Record the searches that have ended, and start queued ones."""
        self.queue.keep_lock(_QUEUE)
        running = [request for request in self.queue.requests("running") if not self._record_end(request)]
        for request in self.queue.requests("queued")[: max(self.settings.at_a_time - len(running), 0)]:
            self._start(request)
        self._ticked_at = time.monotonic()

    def _work(self) -> None:
        logged = ""
        while not self._closing.is_set():
            try:
                self.tick()
                logged = ""
            except StudyLost:
                _log.error("another nas-serve processes this queue now; this one starts no more searches")
                return
            except (StoreError, OSError) as error:  # a full disk, a locked database: it may pass
                if str(error) != logged:
                    logged = str(error)
                    _log.error("the queue waits: %s", error)
            self._changed.wait(_TICK_SECONDS)
            self._changed.clear()

    def _requeue_lost(self) -> None:
        """Queue again what was running when the machine went down; running searches go on."""
        for request in self.queue.requests("running"):
            if not self._is_alive(request) and not self._has_ended(request):
                self.queue.requeue(request.id)

    def _has_ended(self, request: SearchRequest) -> bool:
        """Whether the study's end is that of this search, and not of an earlier one."""
        study = self.queue.study(request.study)
        if study is None or study.state == "running":
            return False
        begun, started = study.begun_at, request.started_at
        return begun is not None and started is not None and begun >= started

    def _start(self, request: SearchRequest) -> None:
        lock = _try_lock(self.file(request.study, "lock"))
        if lock is None:
            return
        try:
            if self.queue.take(request.id):
                self._start_locked(request, lock)
        finally:
            os.close(lock)  # the search's own copy holds it now

    def _start_locked(self, request: SearchRequest, lock: int) -> None:
        try:
            os.ftruncate(lock, 0)
            self._children[request.id] = child = self._spawn(request, lock)
        except (OSError, BadOption) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                self.queue.requeue(request.id)
                raise
            self._end(request, f"it could not be started: {error}")
            return
        with suppress(OSError):  # of a full disk; its study's lock is enough
            os.pwrite(lock, json.dumps(locks.signature(child.pid)).encode(), 0)
        self.queue.started(request.id, child.pid)
        self._tell("study_started", study=request.study, kind=request.kind, pid=child.pid)

    def _spawn(self, request: SearchRequest, lock: int) -> subprocess.Popen[bytes]:
        options = repeatable(request.kind, request.options)
        allowed = schemas.restrict_options(request.kind, request.subject, options, self.settings)
        study = f"--study={request.study}"
        command = schemas.command(request.kind, request.subject, allowed, self.settings, study)
        with self.file(request.study, "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "NAS_DB": self.settings.database, "PYTHONUNBUFFERED": "1"},
                pass_fds=(lock,),
                start_new_session=True,
            )

    def _record_end(self, request: SearchRequest) -> bool:
        """Return whether the search has ended; if so, record it."""
        if self._is_alive(request):
            return False
        child = self._children.get(request.id)
        if child is None and request.pid is None and not self._has_ended(request):
            self.queue.requeue(request.id)  # it was taken, and never started: the disk was full
            return True
        self._end(request, self._end_message(request, child.wait() if child else None))
        self._children.pop(request.id, None)
        return True

    def _end(self, request: SearchRequest, message: str | None) -> None:
        """Record and tell that a search has ended. message: where its study's row does not say how"""
        self.queue.ended(request.id, message)
        study = self.queue.study(request.study)
        state = study.state if study and study.state != "running" else "failed"
        self._tell(
            "study_ended", study=request.study, state=state, message=message or (study and study.message)
        )

    def _end_message(self, request: SearchRequest, code: int | None) -> str | None:
        """Return the message for a search whose study's row does not say how it ended."""
        if code in (0, 130) or (code is None and self._has_ended(request)):
            return None
        if code is not None and code < 0:
            return f"it was ended by {signal.Signals(-code).name}"
        return metrics.last_line(self.file(request.study, "log")) or "it ended without a message"

    def _is_alive(self, request: SearchRequest) -> bool:
        lock = _try_lock(self.file(request.study, "lock"))
        if lock is not None:
            os.close(lock)
        return lock is None

    def _read_lock(self, study: str) -> dict[str, str]:
        """Return the process that was started with the lock; empty after a kill or on a full disk."""
        try:
            return dict(json.loads(self.file(study, "lock").read_text()))
        except ValueError:
            return {}


def _try_lock(path: Path) -> int | None:
    """Open and lock the file; return its descriptor, or None if another process holds the lock."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle

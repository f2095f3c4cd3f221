"""The queue of searches and their requests, in the same database as their results.

A study has at most one request, which is kept after its search has ended, for a resume. A search from the
command line is recorded here as well, but does not wait in the queue.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from results.db import connection
from results.db.rows import assign, get
from results.db.store import Store
from results.db.tables import Event, Measurement, Model, SearchRequest, Study, Trial
from results.db.transactions import patient


def repeatable(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded options of a search without those that have no effect in it.

    A command refuses options without an effect, and a budget without a unit. Earlier versions recorded some
    that a demo had set, and took such a budget as seconds.
    """
    is_for_accuracy = options.get("maximise") or (kind == "hpo" and not options.get("minimise"))
    idle = {"replicates", "tolerance"} if is_for_accuracy else set[str]()
    if options.get("min_accuracy") is not None:
        idle.add("replicates")
    if options.get("early_stop") == 0:
        idle.add("audit")
    kept = {name: value for name, value in options.items() if name not in idle}
    if str(kept.get("budget", "s")).strip()[-1:] in "0123456789":
        kept["budget"] = f"{kept['budget']}s"
    return kept


def typed_words(options: Mapping[str, Any]) -> list[str]:
    """Return the options of a search as they are typed: `{"train_images": 50}` is `--train-images=50`."""
    words = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [value]
        words += [flag if one is True else f"{flag}={one}" for one in values]
    return words


class SearchQueue(Store):
    """A results database with its queue of searches. Requests are returned detached, as all rows are."""

    @patient
    def request(self, study: str) -> SearchRequest | None:
        """Return the latest request of the study with this name, if there is one."""
        with self._read() as session:
            return _of(session, study)

    @patient
    def requests(self, state: str) -> list[SearchRequest]:
        """Return the requests in this state, the one that was queued first at the head."""
        query = select(SearchRequest).where(SearchRequest.state == state)
        with self._read() as session:
            return list(session.scalars(query.order_by(SearchRequest.queued_at, SearchRequest.id)))

    @patient
    def enqueue(self, study: str, kind: str, subject: str, options: Mapping[str, Any], most: int) -> bool:
        """Queue a search; return False if it waits or runs already, or if `most` are waiting."""
        with self._write() as session:
            request = _of(session, study)
            waiting = session.scalar(
                select(func.count()).select_from(SearchRequest).where(SearchRequest.state == "queued")
            )
            if (request is not None and request.state != "ended") or (waiting or 0) >= most:
                return False
            request = request or SearchRequest(study=study)
            assign(request, kind=kind, subject=subject, options=dict(options), state="queued")
            assign(request, queued_at=datetime.now(UTC), pid=None, message=None, started_at=None)
            assign(request, ended_at=None)
            session.add(request)
        self._sync()
        return True

    def _sync(self) -> None:
        """Write the log to disk: a queued search was promised, and a power cut must not lose it."""
        path = connection.sqlite_path(self.url)
        log = Path(f"{path}-wal")
        if path is not None and log.exists():
            with log.open("rb") as written:
                os.fsync(written.fileno())

    @patient
    def remember(self, study: str, kind: str, subject: str, options: Mapping[str, Any]) -> None:
        """Record the options of a running search, whoever started it. Its place in the queue stays."""
        with self._write() as session:
            request = _of(session, study)
            if request is None:
                request = SearchRequest(study=study, state="ended", queued_at=datetime.now(UTC))
            assign(request, kind=kind, subject=subject, options=dict(options))
            session.add(request)

    @patient
    def take(self, request_id: int) -> bool:
        """Record that a queued search is being started; return False if it was withdrawn meanwhile."""
        with self._write() as session:
            request = session.get(SearchRequest, request_id, with_for_update=True)
            if request is None or request.state != "queued":
                return False
            assign(request, state="running", pid=None, started_at=datetime.now(UTC))
            return True

    @patient
    def started(self, request_id: int, pid: int) -> None:
        """Record the process of a search that was taken."""
        with self._write() as session:
            assign(get(session, SearchRequest, request_id), pid=pid)

    @patient
    def ended(self, request_id: int, message: str | None) -> None:
        """Record that the process of a search has ended, with its last output if that explains it."""
        with self._write() as session:
            request = get(session, SearchRequest, request_id)
            assign(request, state="ended", pid=None, message=message, ended_at=datetime.now(UTC))

    @patient
    def requeue(self, request_id: int) -> None:
        """Put a search back in its place whose process was lost with the machine."""
        with self._write() as session:
            assign(get(session, SearchRequest, request_id), state="queued", pid=None, started_at=None)

    @patient
    def withdraw(self, study: str) -> bool:
        """Take a search out of the queue; return False if it is not waiting."""
        with self._write() as session:
            request = _of(session, study)
            if request is None or request.state != "queued":
                return False
            if session.scalar(select(Study.id).where(Study.name == study)) is None:
                session.delete(request)
            else:
                assign(request, state="ended", ended_at=datetime.now(UTC))
            return True

    @patient
    def count_rows(self, study_id: int) -> dict[str, int]:
        """Return how many trials, measurements and events a study has."""
        of_trials = select(Trial.id).where(Trial.study_id == study_id)
        counted = {
            "trials": select(func.count()).select_from(of_trials.subquery()),
            "measurements": select(func.count()).where(Measurement.trial_id.in_(of_trials)),
            "events": select(func.count()).where(Event.study_id == study_id),
        }
        with self._read() as session:
            return {name: session.scalar(count) or 0 for name, count in counted.items()}

    @patient
    def delete_study(self, name: str) -> None:
        """Delete a study with its trials, events, saved models and request.

        Hold its lock meanwhile.
        """
        with self._write() as session:
            session.execute(delete(SearchRequest).where(SearchRequest.study == name))
            study_id = session.scalar(select(Study.id).where(Study.name == name))
            for kind in (Model, Trial):  # a model refers to a trial
                session.execute(delete(kind).where(kind.study_id == study_id))
            session.execute(delete(Study).where(Study.id == study_id))


def _of(session: Session, study: str) -> SearchRequest | None:
    return session.scalar(select(SearchRequest).where(SearchRequest.study == study))

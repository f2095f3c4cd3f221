"""The only module that writes to the database. Each method is one transaction, committed when it returns.

Rows are returned detached: they are snapshots, and changing one does not change the database. If the
process is killed, each transaction is either complete or absent.
"""

import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from results.db import connection, curves, schema
from results.db.locks import Lock, lost, study_lock
from results.db.rows import assign, event_now, from_config, get, new_study_columns, refuse_another_question
from results.db.tables import Event, Measurement, Model, Study, Trial
from results.db.transactions import commit, patient
from results.errors import StudyLost


class Store:
    """A results database, created and migrated unless read-only. Close it, or use it in a `with` statement.

    It may be used from several threads; a forked child must open its own. Columns are those of
    `results.db.tables`; NaN is stored as null, because SQL cannot compare it. If a server is lost while the
    store is open, methods wait for it, up to `connection.BUSY_SECONDS`.

    Raises, of `results.errors`:
        StoreUnavailable: the database cannot be opened, read or written. Any method may.
        StudyLost: another process has opened a study that was opened here. Any method that writes to it may.
        SchemaTooNew: it was made by a newer version.
        SchemaTooOld: it was made by an older version and is opened read-only.
    """

    def __init__(self, url_or_path: str | Path, *, read_only: bool = False) -> None:
        self.url = connection.address(url_or_path)
        self._engine = connection.connect(self.url, read_only=read_only)
        self._writing = self._engine.execution_options(**connection.WRITING)
        self._locks: dict[str, Lock] = {}  # by the study's name
        self._runs: dict[int, tuple[str, str]] = {}  # the studies opened here: name, and token of this run
        try:
            (schema.check if read_only else schema.prepare)(self._engine)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database. Closing twice does nothing."""
        self._engine.dispose()

    @contextmanager
    def lock_study(self, name: str) -> Iterator[None]:
        """Hold the study as its one orchestrator; entering raises StudyLocked while another does."""
        with study_lock(self.url, name) as lock:
            self._locks[name] = lock
            try:
                yield
            finally:
                del self._locks[name]

    @patient
    def keep_lock(self, name: str) -> None:
        """Take a study's lock again where it was lost. Raises StudyLost where another process has it."""
        if name in self._locks:
            self._locks[name].look()

    @patient
    def keep_study(self, study_id: int) -> None:
        """Make sure that a study opened here is still this run's. Raises StudyLost.

        A lock is lost without a word, so call it every few seconds, and before a trial's folder is touched.
        """
        if study_id in self._runs:
            self.keep_lock(self._runs[study_id][0])
            with self._read() as session:
                self._hold(session, study_id)

    @patient
    def study(self, name: str) -> Study | None:
        """The study of that name."""
        with self._read() as session:
            return session.scalar(select(Study).where(Study.name == name))

    @patient
    def studies(self) -> list[Study]:
        """All studies, oldest first."""
        with self._read() as session:
            return list(session.scalars(select(Study).order_by(Study.id)))

    @patient
    def open_study(
        self,
        name: str,
        kind: str,
        question: Mapping[str, Any],
        budget_trials: int,
        versions: Mapping[str, Any],
        git_commit: str | None,
        slots: int | None = None,
        budget_slot_hours: float | None = None,
    ) -> Study:
        """Begin the study, or take up the one on record, which becomes 'running' with the budget asked now.

        Hold its lock. Whoever opened it before can write nothing more to it: see StudyLost. The versions on
        record stay those it began with; a resume leaves an event with its own.
        Raises QuestionChanged, naming each difference, where the one on record has another kind or question.
        """
        asked = json.loads(json.dumps(question, allow_nan=False))  # as it would come back: no tuples
        now, token = datetime.now(UTC), uuid.uuid4().hex
        with self._write() as session:
            study = session.scalar(select(Study).where(Study.name == name).with_for_update(key_share=True))
            if study is None:
                study = Study(
                    name=name,
                    **new_study_columns(kind, asked),
                    versions=dict(versions),
                    git_commit=git_commit,
                )
                session.add(study)
            else:
                refuse_another_question(study, kind, asked)
                detail = {"versions": dict(versions), "git_commit": git_commit, "was": study.state}
                session.add(event_now(study.id, "resumed", detail))
            assign(study, budget_trials=budget_trials, budget_slot_hours=budget_slot_hours, slots=slots)
            assign(study, state="running", message=None, begun_at=now, updated_at=now, run_token=token)
        self._runs[study.id] = (name, token)
        return study

    @patient
    def set_bound(self, study_id: int, *, min_accuracy: float, **baseline: float | None) -> Study:
        """Record the accuracy a network must reach, and the baseline it comes from, if any.

        baseline: the columns baseline_accuracy, baseline_std and baseline_replicates (0 without one)
        """
        with self._write() as session:
            study = self._study(session, study_id)
            assign(study, min_accuracy=min_accuracy, **baseline, updated_at=datetime.now(UTC))
            return study

    @patient
    def end_study(self, study_id: int, state: str, message: str | None) -> Study:
        """Record that the study is 'finished', 'stopped' or 'failed', and why.

        Where it was not opened here, whoever did open it can write nothing more to it.
        """
        with self._write() as session:
            study = self._study(session, study_id)
            if study_id not in self._runs:
                assign(study, run_token=None)
            assign(study, state=state, message=message, updated_at=datetime.now(UTC))
            return study

    @patient
    def restore_study(self, before: Study) -> None:
        """Leave a study as it was before it was opened here: its state and its budget."""
        with self._write() as session:
            study = self._study(session, before.id)
            assign(study, **{name: getattr(before, name) for name in _OF_A_RUN})

    @patient
    def trials(self, study_id: int) -> list[Trial]:
        """The study's trials in order of number."""
        with self._read() as session:
            query = select(Trial).where(Trial.study_id == study_id).order_by(Trial.number)
            return list(session.scalars(query))

    @patient
    def early_stops(self, study_id: int) -> Mapping[str, Any] | None:
        """Return the study's row of the view `early_stops`; None if nothing is stopped early (yet)."""
        query = "SELECT * FROM early_stops WHERE study = (SELECT name FROM studies WHERE id = :id)"
        with self._read() as session:
            return session.execute(text(query), {"id": study_id}).mappings().one_or_none()

    @patient
    def curves(self, study_id: int, numbers: Collection[int]) -> dict[int, list[curves.Point]]:
        """The progress and validation accuracy measured of these trials, in order, by their numbers."""
        with self._read() as session:
            return curves.of_these(session, study_id, numbers)

    def start_trial(self, study_id: int, number: int, **columns: Any) -> Trial:
        """Record a trial as 'running', before its process starts. `purpose` is required among the columns."""
        started = {"created_at": datetime.now(UTC), "started_at": datetime.now(UTC), "attempts": 1}
        return self._add_trial(study_id, number, {**started, **columns, "state": "running"})

    def answer_trial(self, study_id: int, number: int, state: str, **columns: Any) -> Trial:
        """Record a trial answered without training: 'screened', 'duplicate', or 'failed' if refused."""
        answered = {"created_at": datetime.now(UTC), "finished_at": datetime.now(UTC), "attempts": 0}
        return self._add_trial(study_id, number, {**answered, **columns, "state": state})

    @patient
    def restart_trial(self, trial_id: int, **columns: Any) -> Trial:
        """Record that a trial left running by a crash or a stop starts again, under its old number."""
        with self._write() as session:
            trial = self._trial(session, trial_id)
            session.execute(delete(Measurement).where(Measurement.trial_id == trial_id))
            assign(trial, **dict.fromkeys(("finished_at", "reason", "message")), started_at=datetime.now(UTC))
            assign(trial, **{**from_config(columns.get("config") or {}), **columns})
            assign(trial, state="running", attempts=trial.attempts + 1)
            return trial

    @patient
    def charge_trial(self, trial_id: int, **used: float | None) -> Trial:
        """Record what the attempts of a trial have used, which goes on without a process for now."""
        with self._write() as session:
            trial = self._trial(session, trial_id)
            assign(trial, **used, started_at=None)
            return trial

    @patient
    def finish_trial(
        self,
        trial_id: int,
        state: str,
        measurements: Sequence[Mapping[str, Any]] = (),
        events: Mapping[str, Mapping[str, Any]] | None = None,
        **columns: Any,
    ) -> Trial:
        """Record how a trial ended, with its measurements in order and the details of its events by kind.

        All of it is on record or nothing is. A measurement may carry more keys than there are columns,
        as a trainer's events do.
        """
        with self._write() as session:
            trial = self._trial(session, trial_id)
            finished_at = _end_of(trial, columns.get("wall_seconds"))
            assign(trial, **{"finished_at": finished_at, **columns, "state": state})
            session.execute(delete(Measurement).where(Measurement.trial_id == trial_id))
            session.add_all(curves.rows(trial_id, measurements))
            for kind, detail in (events or {}).items():
                session.add(event_now(trial.study_id, kind, detail, trial_id))
            return trial

    @patient
    def judge_trial(self, trial_id: int, verdict: str, detail: Mapping[str, Any], **columns: Any) -> Trial:
        """Record that a trial is 'confirmed', 'undecided' or 'rejected', and an event with this detail."""
        with self._write() as session:
            trial = self._trial(session, trial_id)
            assign(trial, **columns, verdict=verdict)
            session.add(event_now(trial.study_id, f"candidate_{verdict}", detail, trial_id))
            return trial

    @patient
    def note(self, study_id: int, kind: str, detail: Mapping[str, Any], trial_id: int | None = None) -> Event:
        """Record something that happened and is no trial. `detail` is a JSON object."""
        with self._write() as session:
            self._hold(session, study_id)
            event = event_now(study_id, kind, detail, trial_id)
            session.add(event)
            return event

    @patient
    def events(self, study_id: int) -> list[Event]:
        """What happened to the study, oldest first."""
        with self._read() as session:
            return list(session.scalars(select(Event).where(Event.study_id == study_id).order_by(Event.id)))

    @patient
    def save_model(self, **columns: Any) -> Model:
        """Record a named network. One that the same study saved under this name before is replaced."""
        with self._write() as session:
            self._hold(session, columns["study_id"])
            same = (Model.name == columns["name"], Model.study_id == columns["study_id"])
            session.execute(delete(Model).where(*same))
            model = Model()
            assign(model, **{"created_at": datetime.now(UTC), **columns})
            session.add(model)
            return model

    @patient
    def drop_models(self, study_id: int) -> None:
        """Remove the networks that the study saved; it has found better, or found them wanting."""
        with self._write() as session:
            self._hold(session, study_id)
            session.execute(delete(Model).where(Model.study_id == study_id))

    @patient
    def model(self, name: str) -> Model | None:
        """The network of that name that was saved last."""
        with self._read() as session:
            named = select(Model).where(Model.name == name)
            return session.scalar(named.order_by(Model.id.desc()).limit(1))

    @patient
    def models(self) -> list[Model]:
        """All named networks, by name, and of one name the newest first."""
        query = select(Model).order_by(Model.name, Model.id.desc())  # no clock goes back in that
        with self._read() as session:
            return list(session.scalars(query))

    @patient
    def _add_trial(self, study_id: int, number: int, columns: dict[str, Any]) -> Trial:
        with self._write() as session:
            self._hold(session, study_id)
            trial = Trial(study_id=study_id, number=number, replicate=0)
            assign(trial, **{**from_config(columns.get("config") or {}), **columns})
            session.add(trial)
            return trial

    def _study(self, session: Session, study_id: int) -> Study:
        self._hold(session, study_id)
        return get(session, Study, study_id)

    def _trial(self, session: Session, trial_id: int) -> Trial:
        trial = get(session, Trial, trial_id)
        self._hold(session, trial.study_id)
        return trial

    def _hold(self, session: Session, study_id: int) -> None:
        """Keep a study that was opened here this run's until the transaction ends. Raises StudyLost."""
        name, own = self._runs.get(study_id, ("", None))
        if own is None:
            return
        token = select(Study.run_token).where(Study.id == study_id)
        if session.scalar(token.with_for_update(key_share=True)) != own:
            raise StudyLost(lost(name))

    @contextmanager
    def _read(self) -> Iterator[Session]:
        with connection.explain_errors(self.url), Session(self._engine) as session:
            yield session

    @contextmanager
    def _write(self) -> Iterator[Session]:
        with connection.explain_errors(self.url), Session(self._writing, expire_on_commit=False) as session:
            yield session
            commit(session)


def _end_of(trial: Trial, seconds: float | None) -> datetime:
    """Now, but no sooner than it took: the clock may have been set back meanwhile."""
    now = datetime.now(UTC)
    return now if trial.started_at is None else max(now, trial.started_at + timedelta(seconds=seconds or 0))


_OF_A_RUN = ("state", "message", "budget_trials", "budget_slot_hours", "slots", "begun_at", "updated_at")

"""The only module that writes to the database. Each method is one transaction, committed when it returns.

Rows are returned detached: they are snapshots, and changing one does not change the database. If the
process is killed, each transaction is either complete or absent.
"""

import json
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import case, delete, exists, select, text
from sqlalchemy.orm import Session

from results.db import connection, schema
from results.db.locks import Lock, lost, study_lock
from results.db.rows import (
    assign,
    changed_settings,
    event_now,
    from_config,
    get,
    new_study_columns,
    refuse_another_question,
)
from results.db.tables import Event, Measurement, Model, Study, Trial
from results.db.transactions import commit, patient
from results.errors import StudyLost

CurvePoint = tuple[float | None, float | None]  # progress and the sought score
_MEASURED = set(Measurement.__table__.columns.keys()) - {"trial_id", "ordinal"}


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
        """Close the database. Closing twice does nothing."""
        self._engine.dispose()

    @contextmanager
    def lock_study(self, name: str) -> Iterator[None]:
        """Lock the study for this process. Entering raises StudyLocked while another process has it."""
        with study_lock(self.url, name) as lock:
            self._locks[name] = lock
            try:
                yield
            finally:
                del self._locks[name]

    @patient
    def keep_lock(self, name: str) -> None:
        """Take a study's lock again if it was lost. Raises StudyLost if another process has it by now."""
        if name in self._locks:
            self._locks[name].look()

    @patient
    def keep_study(self, study_id: int) -> None:
        """Raise StudyLost if a study that was opened here is not this run's any more.

        A lock may be lost silently, so call this every few seconds, and before a trial's folder is touched.
        """
        if study_id in self._runs:
            self.keep_lock(self._runs[study_id][0])
            with self._read() as session:
                self._hold(session, study_id)

    @patient
    def study(self, name: str) -> Study | None:
        """Return the study with this name, if there is one."""
        with self._read() as session:
            return session.scalar(select(Study).where(Study.name == name))

    @patient
    def studies(self) -> list[Study]:
        """Return all studies, oldest first."""
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
        *,
        anew: bool = False,
    ) -> Study:
        """Start the study, or resume the recorded one, which becomes 'running' with this budget.

        Hold its lock. An earlier run of it can write nothing more (StudyLost). The recorded versions stay
        those of its start; a resume adds an event with its own.
        anew: replace a recorded study that is without a result, with an event that has what is removed
        Raises QuestionChanged, naming each difference, if the recorded one has other settings.
        """
        asked = json.loads(json.dumps(question, allow_nan=False))  # as the database returns it: no tuples
        now, token = datetime.now(UTC), uuid.uuid4().hex
        of_run = {"versions": dict(versions), "git_commit": git_commit}
        with self._write() as session:
            study = session.scalar(select(Study).where(Study.name == name).with_for_update(key_share=True))
            removed = None
            if study is not None and anew and not _has_result(session, study.id):
                removed, study = _remove(session, study, kind, asked), None
            if study is None:
                study = Study(name=name, **new_study_columns(kind, asked), **of_run)
                session.add(study)
            else:
                refuse_another_question(study, kind, asked)
                session.add(event_now(study.id, "resumed", {**of_run, "was": study.state}))
            assign(study, budget_trials=budget_trials, budget_slot_hours=budget_slot_hours, slots=slots)
            assign(study, state="running", message=None, begun_at=now, updated_at=now, run_token=token)
            if removed is not None:
                session.flush()  # which gives the study its number
                session.add(event_now(study.id, "asked_anew", removed))
        self._runs[study.id] = (name, token)
        return study

    @patient
    def has_result(self, study_id: int) -> bool:
        """Whether a trial of the study has completed, was stopped early, or is still to be trained.

        A study without a result may be asked anew, with other settings.
        """
        with self._read() as session:
            return _has_result(session, study_id)

    @patient
    def set_bound(self, study_id: int, *, min_accuracy: float, **baseline: float | None) -> Study:
        """Record the required accuracy, and the baseline that it comes from, if there is one.

        baseline: the columns baseline_accuracy, baseline_std and baseline_replicates (0 without one)
        """
        with self._write() as session:
            study = self._study(session, study_id)
            assign(study, min_accuracy=min_accuracy, **baseline, updated_at=datetime.now(UTC))
            return study

    @patient
    def end_study(self, study_id: int, state: str, message: str | None) -> Study:
        """Record that the study is 'finished', 'stopped' or 'failed', and why.

        If it was not opened here, the run that opened it can write nothing more to it.
        """
        with self._write() as session:
            study = self._study(session, study_id)
            if study_id not in self._runs:
                assign(study, run_token=None)
            assign(study, state=state, message=message, updated_at=datetime.now(UTC))
            return study

    @patient
    def restore_study(self, before: Study) -> None:
        """Give a study back the state and the budget that it had before it was opened here."""
        with self._write() as session:
            study = self._study(session, before.id)
            assign(study, **{name: getattr(before, name) for name in _OF_A_RUN})

    @patient
    def trials(self, study_id: int) -> list[Trial]:
        """Return the study's trials by number."""
        with self._read() as session:
            query = select(Trial).where(Trial.study_id == study_id).order_by(Trial.number)
            return list(session.scalars(query))

    @patient
    def trials_with_weights(self, study_id: int) -> list[Trial]:
        """Return the study's trials whose weights are kept, by number."""
        query = select(Trial).where(Trial.study_id == study_id, Trial.weights_bytes.is_not(None))
        with self._read() as session:
            return list(session.scalars(query.order_by(Trial.number)))

    @patient
    def early_stops(self, study_id: int) -> dict[str, Any] | None:
        """Return the study's row of the view `early_stops`; None if nothing is stopped early (yet)."""
        query = "SELECT * FROM early_stops WHERE study = (SELECT name FROM studies WHERE id = :id)"
        with self._read() as session:
            found = session.execute(text(query), {"id": study_id}).one_or_none()
            return None if found is None else dict(found._mapping)

    @patient
    def mean_accuracies(self, study_id: int) -> dict[int, tuple[float, int]]:
        """Return the accuracy of each candidate trained to the end, and from how many trainings it is known.

        The view `completed_trials` has both: they are of its repeats, or of the one training by that number.
        """
        query = (
            "SELECT trial, mean_accuracy, trainings FROM completed_trials WHERE purpose = 'search'"
            " AND mean_accuracy IS NOT NULL AND study = (SELECT name FROM studies WHERE id = :id)"
        )
        with self._read() as session:
            return {trial: (mean, n) for trial, mean, n in session.execute(text(query), {"id": study_id})}

    @patient
    def curves(self, study_id: int, numbers: Collection[int]) -> dict[int, list[CurvePoint]]:
        """Return the progress and the sought score measured of completed trials, in order, by number."""
        sought = case((Trial.score.is_(None), Measurement.val_accuracy), else_=Measurement.score)
        query = select(Trial.number, Measurement.progress, sought)
        query = query.join(Trial, Trial.id == Measurement.trial_id)
        query = query.where(Trial.study_id == study_id, Trial.number.in_(numbers))
        found: dict[int, list[CurvePoint]] = {}
        with self._read() as session:
            for number, *point in session.execute(query.order_by(Trial.number, Measurement.ordinal)):
                found.setdefault(number, []).append((point[0], point[1]))
        return found

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
        """Record that a trial that a crash or a stop left running starts again, under its old number."""
        with self._write() as session:
            trial = self._trial(session, trial_id)
            session.execute(delete(Measurement).where(Measurement.trial_id == trial_id))
            assign(trial, **dict.fromkeys(("finished_at", "reason", "message")), started_at=datetime.now(UTC))
            assign(trial, **{**from_config(columns.get("config") or {}), **columns})
            assign(trial, state="running", attempts=trial.attempts + 1)
            return trial

    @patient
    def charge_trial(self, trial_id: int, **used: float | None) -> Trial:
        """Record what the attempts of a trial have used, which waits for another attempt."""
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

        Keys of a measurement that have no column are left out.
        """
        with self._write() as session:
            trial = self._trial(session, trial_id)
            finished_at = _end_of(trial, columns.get("wall_seconds"))
            assign(trial, **{"finished_at": finished_at, **columns, "state": state})
            session.execute(delete(Measurement).where(Measurement.trial_id == trial_id))
            for ordinal, measured in enumerate(measurements):
                known = {key: value for key, value in measured.items() if key in _MEASURED}
                row = Measurement(trial_id=trial_id, ordinal=ordinal)
                assign(row, **known)
                session.add(row)
            for kind, detail in (events or {}).items():
                session.add(event_now(trial.study_id, kind, detail, trial_id))
            return trial

    @patient
    def forget_weights(self, trial_id: int) -> Trial:
        """Record that no weights of the trial are kept any more."""
        with self._write() as session:
            trial = self._trial(session, trial_id)
            assign(trial, weights_bytes=None)
            return trial

    @patient
    def judge_trial(
        self, trial_id: int, verdict: str | None, detail: Mapping[str, Any], **columns: Any
    ) -> Trial:
        """Record that a trial is 'confirmed', 'undecided' or 'rejected', and an event if that is new.

        verdict: None as long as there is none
        """
        with self._write() as session:
            trial = self._trial(session, trial_id)
            if verdict not in (None, trial.verdict):
                session.add(event_now(trial.study_id, f"candidate_{verdict}", detail, trial_id))
            assign(trial, **columns, verdict=verdict)
            return trial

    @patient
    def note(self, study_id: int, kind: str, detail: Mapping[str, Any], trial_id: int | None = None) -> Event:
        """Record an event of the study. `detail` is a JSON object."""
        with self._write() as session:
            self._hold(session, study_id)
            event = event_now(study_id, kind, detail, trial_id)
            session.add(event)
            return event

    @patient
    def events(self, study_id: int) -> list[Event]:
        """Return the events of the study, oldest first."""
        with self._read() as session:
            return list(session.scalars(select(Event).where(Event.study_id == study_id).order_by(Event.id)))

    @patient
    def save_model(self, **columns: Any) -> Model:
        """Save a named network, in place of one that the same study saved under this name before."""
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
        """Delete the networks that the study saved."""
        with self._write() as session:
            self._hold(session, study_id)
            session.execute(delete(Model).where(Model.study_id == study_id))

    @patient
    def model(self, name: str) -> Model | None:
        """Return the network that was last saved under this name, if there is one."""
        with self._read() as session:
            named = select(Model).where(Model.name == name)
            return session.scalar(named.order_by(Model.id.desc()).limit(1))

    @patient
    def models(self) -> list[Model]:
        """Return all named networks, by name, and those with one name newest first."""
        query = select(Model).order_by(Model.name, Model.id.desc())  # times may go back, numbers do not
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
        """Raise StudyLost unless a study that was opened here stays this run's until the transaction ends."""
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


def _has_result(session: Session, study_id: int) -> bool:
    has = Trial.state.in_(("completed", "pruned", "running"))
    return bool(session.scalar(select(exists().where(Trial.study_id == study_id, has))))


def _remove(session: Session, study: Study, kind: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Delete a study that another one of its name replaces; return what is recorded of it there."""
    rows = session.execute(
        select(Trial.number, Trial.state, Trial.reason, Trial.message)
        .where(Trial.study_id == study.id)
        .order_by(Trial.number)
    )
    removed = [dict(row._mapping) for row in rows]
    kinds = session.scalars(select(Event.kind).where(Event.study_id == study.id))
    events = dict(Counter(kinds))  # of them `test_read`: the test images were read, whatever came of it
    session.execute(delete(Trial).where(Trial.study_id == study.id))
    session.expunge(study)
    session.execute(delete(Study).where(Study.id == study.id))
    return {"changed": changed_settings(study, kind, asked), "trials": removed, "events": events}


def _end_of(trial: Trial, seconds: float | None) -> datetime:
    """Return the present time, but not before the trial's end by its seconds: a clock may be set back."""
    now = datetime.now(UTC)
    return now if trial.started_at is None else max(now, trial.started_at + timedelta(seconds=seconds or 0))


_OF_A_RUN = ("state", "message", "budget_trials", "budget_slot_hours", "slots", "begun_at", "updated_at")

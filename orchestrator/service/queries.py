"""Read the database for pages that poll: a few columns and rows at a time, read-only.

Nothing here can write, lock or migrate, so a page cannot delay or crash a study.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, column, func, select, table

from results.analysis import forecast
from results.db import connection as database
from results.db import locks, schema
from results.db.search_queue import repeatable
from results.db.tables import Event, Measurement, Model, SearchRequest, Study, Trial
from results.db.types import Instant
from results.metrics import METRICS, shown_metric

Facts = dict[str, Any]

_LISTED = (
    Trial.number,
    Trial.purpose,
    Trial.state,
    Trial.reason,
    Trial.message,
    Trial.point,
    Trial.replicate,
    Trial.of_trial_number,
    *(Trial.macs, Trial.parameters, Trial.latency_ms),
    Trial.val_accuracy,
    Trial.test_accuracy,
    Trial.objective,
    Trial.constraints,
    Trial.verdict,
    Trial.probability,
    Trial.slot,
    *(Trial.attempts, Trial.wall_seconds, Trial.slot_seconds, Trial.energy_joules),
    *(Trial.started_at, Trial.finished_at),
)
_CURVE = tuple(
    getattr(Measurement, name) for name in Measurement.__table__.columns.keys()[1:]
)  # but its trial
_STUDY_KEPT = ("question", "versions", "id", "run_token")  # told of one study, not in a list, or of none
_MODEL = ("name", "status", "macs", "parameters", "val_accuracy", "accuracy_low", "accuracy_high")
_COUNTS = select(Trial.study_id, Trial.state, func.count()).group_by(Trial.study_id, Trial.state)
_SPENDING = table(
    "spending",
    *(
        column(name)
        for name in ("study", "trainings", "spent", "ended", "energy_joules", "measured", "run_ended")
    ),
    *(column(name) for name in ("slot_seconds", "run_seconds")),
    column("last_finished_at", Instant()),
)
_BEST = table(
    "best_trials",
    *(column(name) for name in ("study", "trial", *(metric.column for metric in METRICS.values()))),
    column("mean_accuracy"),
    *(column(name) for name in ("trainings", "verdict", "probability")),
)
_FRONT = table("front", *(column(name) for name in ("study", "trial")))
_MODEL_COLUMNS = [getattr(Model, name) for name in (*_MODEL, "probability", "trainings")]


class RecordQueries:
    """A database of studies, opened for reading from several threads. Raises StoreError as `Store` does."""

    def __init__(self, url_or_path: str) -> None:
        self.url = database.address(url_or_path)
        self._engine = database.connect(self.url, read_only=True)
        schema.check(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def studies(self) -> list[Facts]:
        """Return all studies and all queued searches with their state, the latest first."""
        counts, spending = self._counted(_COUNTS), self._spending(_SPENDING.select())
        asked = {row.study: row for row in self._rows(_columns(SearchRequest))}
        studies = [row._asdict() for row in self._rows(_columns(Study).order_by(Study.id.desc()))]
        listed = [
            self._stands(one, asked.pop(one["name"], None), counts.get(one["id"], {}), spending[one["name"]])
            for one in studies
        ]
        waiting = sorted(asked.values(), key=lambda row: row.queued_at, reverse=True)
        return [_unbegun(row) for row in waiting] + listed

    def study(self, name: str, found_already: Facts | None = None) -> Facts | None:
        """Return everything about a study, or about a queued search with that name.

        `found_already`: its `best` and `front`, if known. Only these take longer the more trials there are.
        """
        found = next(iter(self._rows(_columns(Study).where(Study.name == name))), None)
        asked = next(iter(self._rows(_columns(SearchRequest).where(SearchRequest.study == name))), None)
        if found is None:
            return None if asked is None else _unbegun(asked)
        study = found._asdict()
        counts = self._counted(_COUNTS.where(Trial.study_id == found.id)).get(found.id, {})
        spending = self._spending(_SPENDING.select().where(_SPENDING.c.study == name))
        told = self._stands(study, asked, counts, spending[name])
        models = self._rows(select(*_MODEL_COLUMNS).where(Model.study_id == found.id))
        return told | {
            "question": found.question,
            "versions": found.versions,
            "options": repeatable(asked.kind, asked.options) if asked else None,
            "models": [model._asdict() for model in models],
            **(found_already or self._found(study)),
        }

    def trials(self, study: str, after: int = 0, most: int = 500) -> list[Facts]:
        """Return the trials with numbers above `after`, in order, at most `most`."""
        query = _of(study, *_LISTED).where(Trial.number > after).order_by(Trial.number).limit(most)
        return [row._asdict() for row in self._rows(query)]

    def these(self, study: str, numbers: Sequence[int]) -> list[Facts]:
        """Return the trials with these numbers."""
        query = _of(study, *_LISTED).where(Trial.number.in_(numbers)).order_by(Trial.number)
        return [row._asdict() for row in self._rows(query)]

    def trial(self, study: str, number: int) -> Facts | None:
        """Return all columns of a trial."""
        columns = [getattr(Trial, name) for name in _names(Trial) if name not in ("id", "study_id")]
        rows = self._rows(_of(study, *columns).where(Trial.number == number))
        return next((row._asdict() for row in rows), None)

    def curve(self, study: str, number: int) -> list[Facts]:
        """Return the measurements of a trial that has ended."""
        query = _of(study, *_CURVE).join(Measurement, Measurement.trial_id == Trial.id)
        rows = self._rows(query.where(Trial.number == number).order_by(Measurement.ordinal))
        return [row._asdict() for row in rows]

    def marks(self, study: str) -> dict[int, tuple[Any, ...]]:
        """Return for each trial number a value that changes when the trial does."""
        columns = (Trial.state, Trial.verdict, Trial.attempts, Trial.slot, Trial.probability)
        return {row[0]: tuple(row[1:]) for row in self._rows(_of(study, Trial.number, *columns))}

    def running(self, study: str) -> list[Facts]:
        """Return the running trials, including those whose search was killed."""
        query = _of(study, Trial.number, Trial.folder, Trial.started_at).where(Trial.state == "running")
        return [row._asdict() for row in self._rows(query)]

    def events(self, study: str, after: int = 0, most: int = 500) -> list[Facts]:
        """Return the study's events after the one with the id `after`."""
        query = (
            select(Event.id, Event.at, Event.kind, Event.detail, Trial.number.label("trial"))
            .join(Study, Study.id == Event.study_id)
            .outerjoin(Trial, Trial.id == Event.trial_id)
            .where(Study.name == study, Event.id > after)
        )
        return [row._asdict() for row in self._rows(query.order_by(Event.id).limit(most))]

    def newest_event(self, study: str) -> int:
        """Return the id of the study's last event, 0 before the first."""
        query = select(func.max(Event.id)).join(Study, Study.id == Event.study_id).where(Study.name == study)
        return self._rows(query)[0][0] or 0

    def models(self) -> list[str]:
        """Return the names of saved models."""
        return [row.name for row in self._rows(select(Model.name).distinct().order_by(Model.name))]

    def _found(self, study: Facts) -> Facts:
        """Return the best trial of a study with one objective, or the Pareto front of one with two."""
        if study["minimise"] and study["maximise"]:
            query = select(_FRONT.c.trial).where(_FRONT.c.study == study["name"]).order_by(_FRONT.c.trial)
            return {"best": None, "front": [row.trial for row in self._rows(query)]}
        best = self._rows(_BEST.select().where(_BEST.c.study == study["name"]))
        return {"best": best[0]._asdict() if best else None, "front": []}

    def _counted(self, query: Select[*tuple[Any, ...]]) -> dict[int, dict[str, int]]:
        """The trials of each study by state."""
        counts: dict[int, dict[str, int]] = {}
        for study_id, state, number in self._rows(query):
            counts.setdefault(study_id, {})[state] = number
        return counts

    def _spending(self, query: Any) -> dict[str, Facts]:
        return {row.study: row._asdict() for row in self._rows(query)}

    def _stands(
        self, study: Facts, asked: Row[Any] | None, by_state: dict[str, int], spending: Facts
    ) -> Facts:
        told = {name: value for name, value in study.items() if name not in _STUDY_KEPT}
        standing = self._standing(study, asked)
        said = asked.message if asked is not None and standing not in ("running", "finished") else None
        left = forecast.of_study(study | spending | {"state": standing})
        return told | {
            "state": standing,
            "message": said or study["message"],
            "trials_by_state": by_state,
            "trainings": round(spending["spent"], 2),
            **{name: spending[name] for name in ("slot_seconds", "energy_joules", "measured")},
            "seconds_left": left and {"least": left.least, "likely": left.likely},
            "left": left and str(left),
            "used": forecast.used_text(study | spending),
            "metric": _shown(study["minimise"]),
            "resumable": asked is not None,
        }

    def _standing(self, study: Facts, asked: Row[Any] | None) -> str:
        """Return the study's state, corrected if its row is out of date."""
        if asked is not None and asked.state == "queued":
            return "queued"
        if study["state"] == "running" and locks.holder(self.url, study["name"]) is not None:
            return "running"
        if asked is not None and asked.state == "running":
            return "starting"
        return "interrupted" if study["state"] == "running" else str(study["state"])

    def _rows(self, query: Any) -> Sequence[Any]:
        with database.explain_errors(self.url), self._engine.connect() as connection:
            return connection.execute(query).all()


def _columns(table: type[Study] | type[SearchRequest]) -> Select[Any]:
    return select(*(getattr(table, name) for name in _names(table)))


def _names(table: type[Study] | type[SearchRequest] | type[Trial]) -> list[str]:
    return list(table.__table__.columns.keys())


def _of(study: str, *columns: Any) -> Select[Any]:
    return (
        select(*columns).select_from(Trial).join(Study, Study.id == Trial.study_id).where(Study.name == study)
    )


def _unbegun(asked: Row[Any]) -> Facts:
    """Return what is known of a search that has no study yet, or never got one."""
    standing = {"queued": "queued", "running": "starting"}.get(asked.state, "failed")
    return {
        "name": asked.study,
        "kind": asked.kind,
        "state": standing,
        "message": asked.message,
        "created_at": asked.queued_at,
        "updated_at": asked.ended_at or asked.started_at or asked.queued_at,
        "budget_trials": asked.options.get("trials"),
        "min_accuracy": None,
        "baseline_accuracy": None,
        "trials_by_state": {},
        "trainings": 0,
        "resumable": True,
        "options": asked.options,
        "models": [],
        "minimise": None,
        "maximise": None,
        "best": None,
        "front": [],
        "metric": _shown(None),
    }


def _shown(minimise: str | None) -> Facts:
    """Return the metric by which the page shows a study's networks."""
    metric = shown_metric(minimise)
    unit = {"unit": metric.unit_of, "scale": metric.scale, "digits": metric.digits}
    return {"column": metric.column, **unit}

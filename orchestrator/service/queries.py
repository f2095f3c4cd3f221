"""Read the database for pages that poll: a few columns and rows at a time, read-only.

Nothing here can write, lock or migrate, so a page cannot delay or crash a study.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, column, func, null, select, table

from orchestrator.service.schemas import why_refused
from results.analysis import forecast
from results.db import connection as database
from results.db import locks, schema
from results.db.search_queue import repeatable
from results.db.tables import (
    STUDY_STATES,
    TRIAL_STATES,
    Event,
    Measurement,
    Model,
    SearchRequest,
    Study,
    Trial,
)
from results.db.types import Instant
from results.format import shown_point, trust_text
from results.metrics import METRICS, Metric, shown_metric
from results.scores import ACCURACY, Score, sought_score

Facts = dict[str, Any]

_LISTED = (
    *(Trial.number, Trial.purpose, Trial.state, Trial.reason, Trial.message),
    *(Trial.point, Trial.config, Trial.replicate, Trial.of_trial_number),
    *(getattr(Trial, metric.column) for metric in METRICS.values()),
    *(Trial.val_accuracy, Trial.score, Trial.test_accuracy),
    *(Trial.objective, Trial.constraints, Trial.verdict, Trial.probability, Trial.slot),
    *(Trial.attempts, Trial.wall_seconds, Trial.slot_seconds),
    *(Trial.started_at, Trial.finished_at),
)
# all but its trial
_CURVE = tuple(getattr(Measurement, name) for name in Measurement.__table__.columns.keys()[1:])
_STUDY_KEPT = ("question", "versions", "id", "run_token")  # not in the list of studies
_MODEL = (
    *("name", "status", "macs", "parameters"),
    *("val_accuracy", "test_accuracy", "accuracy_low", "accuracy_high"),
)
_COUNTS = select(Trial.study_id, Trial.state, func.count().label("trials")).group_by(
    Trial.study_id, Trial.state
)
_VERDICTS = select(
    Trial.study_id, func.count(Trial.verdict), func.sum(Trial.probability), func.max(Trial.number)
).group_by(Trial.study_id)
_TOTALS = _COUNTS.add_columns(func.sum(Trial.slot_seconds).label("seconds"))
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
_SHOWN_STATES = (*STUDY_STATES, "queued", "starting", "interrupted")


@dataclass(frozen=True)
class Totals:
    """Numbers of all studies together."""

    studies: Mapping[str, int]  # by the state that the page shows
    trials: Mapping[str, int]  # by state
    workers: Mapping[str, int]  # of the running studies: busy, idle
    queued: int  # searches
    device_seconds: float


class RecordQueries:
    """A database of studies, opened for reading from several threads. Raises StoreError as `Store` does."""

    def __init__(self, url_or_path: str) -> None:
        self.url = database.address(url_or_path)
        self._engine = database.connect(self.url, read_only=True)
        schema.check(self._engine)
        self._found: dict[str, tuple[Any, Facts]] = {}  # mark, and best or front, of each study listed

    def close(self) -> None:
        self._engine.dispose()

    def studies(self) -> list[Facts]:
        """Return all studies and all queued searches with state and best result, the latest first."""
        counts = self._count_by_state(_COUNTS)
        marks = {row["study_id"]: tuple(row.values()) for row in self._rows(_VERDICTS)}
        spending = {row["study"]: row for row in self._rows(_SPENDING.select())}
        requests = {row["study"]: row for row in self._rows(_columns(SearchRequest))}
        listed, found = [], dict[str, tuple[Facts, Any]]()
        for study in self._rows(_columns(Study).order_by(Study.id.desc())):
            name, by_state = study["name"], counts.get(study["id"], {})
            mark = study["created_at"], study["min_accuracy"], by_state, marks.get(study["id"])
            found[name] = study, mark
            listed.append(self._describe(study, requests.pop(name, None), by_state, spending[name]))
        best = self._recall_best(found)
        listed = [row | best[row["name"]] for row in listed]
        waiting = sorted(requests.values(), key=lambda row: row["queued_at"], reverse=True)
        return [_describe_request(row) for row in waiting] + listed

    def totals(self) -> Totals:
        """Return numbers of all studies together. Raise StoreError if the database cannot be read."""
        requests = {row["study"]: row for row in self._rows(select(SearchRequest.study, SearchRequest.state))}
        states, workers = Counter(dict.fromkeys(_SHOWN_STATES, 0)), 0
        running = []
        for study in self._rows(select(Study.id, Study.name, Study.state, Study.slots)):
            state = self._find_state(study, requests.pop(study["name"], None))
            states[state] += 1
            if state == "running":
                running.append(study["id"])
                workers += study["slots"] or 0
        states.update(_state_before_study(request["state"]) for request in requests.values())
        by_state = dict.fromkeys(TRIAL_STATES, 0)
        seconds, busy = 0.0, 0
        for trials in self._rows(_TOTALS):
            by_state[trials["state"]] += trials["trials"]
            seconds += trials["seconds"] or 0.0
            busy += trials["trials"] if trials["state"] == "running" and trials["study_id"] in running else 0
        idle = max(workers - busy, 0)
        return Totals(states, by_state, {"busy": busy, "idle": idle}, states["queued"], seconds)

    def study(self, name: str, found_already: Facts | None = None) -> Facts | None:
        """Return everything about a study, or about a queued search with that name.

        `found_already`: its `best` and `front`, if known. Only these take longer the more trials there are.
        """
        study = self._row(_columns(Study).where(Study.name == name))
        request = self._row(_columns(SearchRequest).where(SearchRequest.study == name))
        if study is None:
            return None if request is None else _describe_request(request) | {"metrics": _METRICS}
        counts = self._count_by_state(_COUNTS.where(Trial.study_id == study["id"])).get(study["id"], {})
        [spending] = self._rows(_SPENDING.select().where(_SPENDING.c.study == name))
        believed = _of(name, Trial.belief).where(Trial.belief.is_not(null()))
        latest = self._row(believed.order_by(Trial.number.desc()).limit(1))
        return self._describe(study, request, counts, spending) | {
            "expected_saving": forecast.expected_saving(latest and latest["belief"]),
            "question": study["question"],
            "versions": study["versions"],
            "subject": request and request["subject"],
            "options": repeatable(request["kind"], request["options"]) if request else None,
            "metrics": _METRICS,
            "models": self._rows(select(*_MODEL_COLUMNS).where(Model.study_id == study["id"])),
            **(found_already or self._find_best([study])[name]),
        }

    def trials(self, study: str, after: int = 0, most: int = 500) -> list[Facts]:
        """Return the trials with numbers above `after`, in order, at most `most`."""
        query = _of(study, *_LISTED).where(Trial.number > after).order_by(Trial.number).limit(most)
        return self._list(query)

    def trials_numbered(self, study: str, numbers: Sequence[int]) -> list[Facts]:
        """Return the trials with these numbers."""
        return self._list(_of(study, *_LISTED).where(Trial.number.in_(numbers)).order_by(Trial.number))

    def trial(self, study: str, number: int) -> Facts | None:
        """Return all columns of a trial, its `candidate`, and `trust`: its verdict in words."""
        columns = [getattr(Trial, name) for name in _names(Trial) if name not in ("id", "study_id")]
        row = self._row(_of(study, *columns, Study.question, Study.minimise).where(Trial.number == number))
        if row is None:
            return None
        trust = trust_text(row, row.pop("question"), row.pop("minimise"))
        return row | {"candidate": shown_point(row["point"], row["config"]), "trust": trust}

    def sought(self, study: str) -> Score:
        """Return the score that a study seeks; the accuracy of one that there is not (yet)."""
        row = self._row(select(Study.question).where(Study.name == study))
        return ACCURACY if row is None else sought_score(row["question"])

    def curve(self, study: str, number: int) -> list[Facts]:
        """Return the measurements of a trial that has ended."""
        query = _of(study, *_CURVE).join(Measurement, Measurement.trial_id == Trial.id)
        return self._rows(query.where(Trial.number == number).order_by(Measurement.ordinal))

    def marks(self, study: str) -> dict[int, tuple[Any, ...]]:
        """Return for each trial number a value that changes when the trial does."""
        columns = (
            Trial.state,
            Trial.verdict,
            Trial.attempts,
            Trial.slot,
            Trial.probability,
            Trial.weights_bytes,
        )
        return {
            row.pop("number"): tuple(row.values()) for row in self._rows(_of(study, Trial.number, *columns))
        }

    def running(self, study: str) -> list[Facts]:
        """Return the running trials, including those whose search was killed."""
        columns = (Trial.number, Trial.folder, Trial.started_at)
        return self._rows(_of(study, *columns).where(Trial.state == "running"))

    def events(self, study: str, after: int = 0, most: int = 500) -> list[Facts]:
        """Return the study's events after the one with the id `after`."""
        query = (
            select(Event.id, Event.at, Event.kind, Event.detail, Trial.number.label("trial"))
            .join(Study, Study.id == Event.study_id)
            .outerjoin(Trial, Trial.id == Event.trial_id)
            .where(Study.name == study, Event.id > after)
        )
        return self._rows(query.order_by(Event.id).limit(most))

    def newest_event(self, study: str) -> int:
        """Return the id of the study's last event, 0 before the first."""
        newest = select(func.max(Event.id).label("id")).join(Study, Study.id == Event.study_id)
        return self._rows(newest.where(Study.name == study))[0]["id"] or 0

    def models(self) -> list[str]:
        """Return the names of saved models."""
        return [row["name"] for row in self._rows(select(Model.name).distinct().order_by(Model.name))]

    def _recall_best(self, studies: Mapping[str, tuple[Facts, Any]]) -> dict[str, Facts]:
        """Return what `_find_best` does, from memory while the mark of a study is the same."""
        known = {name: best for name, best in self._found.items() if name in studies}
        stale = [study for name, (study, mark) in studies.items() if known.get(name, ("",))[0] != mark]
        anew = self._find_best(stale) if stale else {}
        found = known | {name: (studies[name][1], best) for name, best in anew.items()}
        self._found = found  # at once, for other threads do the same
        return {name: best for name, (_, best) in found.items()}

    def _find_best(self, studies: Sequence[Facts]) -> dict[str, Facts]:
        """Return the best trial of each study with one objective, or the Pareto front of one with two."""
        found: dict[str, Facts] = {study["name"]: {"best": None, "front": []} for study in studies}
        both = [study["name"] for study in studies if study["minimise"] and study["maximise"]]
        for row in self._rows(_BEST.select().where(_BEST.c.study.in_(found.keys() - both))):
            found[row["study"]]["best"] = row
        for row in self._rows(_FRONT.select().where(_FRONT.c.study.in_(both)).order_by(_FRONT.c.trial)):
            found[row["study"]]["front"].append(row["trial"])
        return found

    def _count_by_state(self, query: Select[*tuple[Any, ...]]) -> dict[int, dict[str, int]]:
        """Return the number of trials in each state, by study."""
        counts: dict[int, dict[str, int]] = {}
        for row in self._rows(query):
            counts.setdefault(row["study_id"], {})[row["state"]] = row["trials"]
        return counts

    def _describe(
        self, study: Facts, request: Facts | None, by_state: dict[str, int], spending: Facts
    ) -> Facts:
        listed = {name: value for name, value in study.items() if name not in _STUDY_KEPT}
        state = self._find_state(study, request)
        message = request["message"] if request and state not in ("running", "finished") else None
        left = forecast.of_study(study | spending | {"state": state})
        return listed | {
            "state": state,
            "message": message or study["message"],
            "trials_by_state": by_state,
            "trainings": round(spending["spent"], 2),
            **{name: spending[name] for name in ("slot_seconds", "energy_joules", "measured")},
            "seconds_left": left and {"least": left.least, "likely": left.likely},
            "left": left and str(left),
            "used": forecast.used_text(study | spending),
            "metric": _describe_metric(shown_metric(study["minimise"])),
            "sought": _describe_score(sought_score(study["question"])),
            "resumable": request is not None and not why_refused(request["subject"], request["options"]),
        }

    def _find_state(self, study: Facts, request: Facts | None) -> str:
        """Return the study's state, corrected if its row is out of date."""
        if request is not None and request["state"] == "queued":
            return "queued"
        if study["state"] == "running" and locks.holder(self.url, study["name"]) is not None:
            return "running"
        if request is not None and request["state"] == "running":
            return "starting"
        return "interrupted" if study["state"] == "running" else str(study["state"])

    def _list(self, query: Any) -> list[Facts]:
        """Return trials, each with its `candidate`: the values that its training gets, for people."""
        return [
            {**row, "candidate": shown_point(row["point"], row.pop("config"))} for row in self._rows(query)
        ]

    def _row(self, query: Any) -> Facts | None:
        return next(iter(self._rows(query)), None)

    def _rows(self, query: Any) -> list[Facts]:
        with database.explain_errors(self.url), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _columns(table: type[Study] | type[SearchRequest]) -> Select[Any]:
    return select(*(getattr(table, name) for name in _names(table)))


def _names(table: type[Study] | type[SearchRequest] | type[Trial]) -> list[str]:
    return list(table.__table__.columns.keys())


def _of(study: str, *columns: Any) -> Select[Any]:
    return (
        select(*columns).select_from(Trial).join(Study, Study.id == Trial.study_id).where(Study.name == study)
    )


def _state_before_study(of_request: str) -> str:
    """Return the state of a search that has no study yet, or never got one."""
    return {"queued": "queued", "running": "starting"}.get(of_request, "failed")


def _describe_request(request: Facts) -> Facts:
    """Return the facts of a search that has no study yet, or never got one."""
    return {
        "name": request["study"],
        "kind": request["kind"],
        "state": _state_before_study(request["state"]),
        "message": request["message"],
        "created_at": request["queued_at"],
        "updated_at": request["ended_at"] or request["started_at"] or request["queued_at"],
        "budget_trials": request["options"].get("trials"),
        "min_accuracy": None,
        "baseline_accuracy": None,
        "trials_by_state": {},
        "trainings": 0,
        "resumable": True,
        "subject": request["subject"],
        "options": request["options"],
        "models": [],
        "minimise": None,
        "maximise": None,
        "best": None,
        "front": [],
        "metric": _describe_metric(shown_metric(None)),
        "sought": _describe_score(sought_score(request["options"])),
    }


def _describe_metric(metric: Metric) -> Facts:
    """Return what a page needs to show amounts of a metric."""
    unit = {"unit": metric.unit_of, "scale": metric.scale, "digits": metric.digits}
    return {"column": metric.column, **unit}


def _describe_score(score: Score) -> Facts:
    """Return what a page needs to show what is sought in place of the accuracy."""
    return {
        **{name: getattr(score, name) for name in ("name", "noun", "column", "is_own", "is_lower_better")},
        "is_share": not score.is_number,
    }


_METRICS = [_describe_metric(metric) for metric in METRICS.values()]

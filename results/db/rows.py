"""Fill rows: by keyword, with unknown columns refused, and from a trial's own configuration."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from results.db.spec_diff import differences, in_words
from results.db.tables import Base, Event, Study
from results.errors import NotOnRecord, QuestionChanged

R = TypeVar("R", bound=Base)


def assign(row: Base, **columns: Any) -> None:
    """Set columns of the row. NaN becomes null; characters that databases refuse become question marks.

    Raises TypeError for an unknown column.
    """
    known = row.__table__.columns
    for name, value in columns.items():
        if name not in known:
            raise TypeError(f"{name!r} is not a column of {row.__table__}; it has {', '.join(known.keys())}")
        setattr(row, name, _storable(value))


def _storable(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str):  # a trainer's output may hold anything
        return value.encode(errors="replace").decode().replace("\0", "?")
    return value


def get(session: Session, kind: type[R], row_id: int) -> R:
    """Return the row with this id. Raises NotOnRecord if there is none."""
    row = session.get(kind, row_id)
    if row is None:
        raise NotOnRecord(f"there is no {kind.__name__.lower()} with id {row_id}; was it deleted meanwhile?")
    return row


def event_now(study_id: int, kind: str, detail: Mapping[str, Any], trial_id: int | None = None) -> Event:
    """Return an event with the present time."""
    return Event(study_id=study_id, trial_id=trial_id, at=datetime.now(UTC), kind=kind, detail=dict(detail))


def from_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's columns that come from its trial.json, so that plain SQL need not parse JSON.

    A missing multiplier is 1. A missing hyperparameter is the recipe's, and null here.
    """
    if not config:
        return {}
    scale, budget = config.get("scale") or {}, config.get("budget") or {}
    hyperparameters, subset = config.get("hyperparameters") or {}, config.get("subset") or {}
    return {
        "model": config.get("model"),
        "recipe": config.get("recipe"),
        **{name: scale.get(name, 1.0) for name in ("depth", "width", "resolution")},
        **{name: hyperparameters.get(name) for name in _HYPERPARAMETERS},
        "budget_seconds": budget.get("seconds"),
        "budget_steps": budget.get("steps"),
        "seed": config.get("seed"),
        "subset_seed": subset.get("seed"),
    }


_HYPERPARAMETERS = ("optimizer", "learning_rate", "weight_decay", "batch_size")


def new_study_columns(kind: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a study that starts now, with the objective of its settings or of its kind."""
    usual = {"nas": {"minimise": "macs"}, "hpo": {"maximise": "accuracy"}}.get(kind, {})
    aim = question.get("aim", usual)
    sought = {name: aim.get(name) for name in ("minimise", "maximise")}
    return {"kind": kind, "question": question, "created_at": datetime.now(UTC), **sought}


def changed_settings(study: Study, kind: str, question: Mapping[str, Any]) -> list[str]:
    """Return how these settings differ from those of the recorded study, one phrase each."""
    asked = json.loads(json.dumps(question))  # as the database would return it: no tuples
    return differences({"kind": study.kind, **study.question}, {"kind": kind, **asked})


def refuse_another_question(study: Study, kind: str, question: Mapping[str, Any], why: str = "") -> None:
    """Raise QuestionChanged, naming each difference, unless the study has these settings.

    why: the user's mistake behind the differences, if it is known
    """
    changed = "; ".join(map(in_words, changed_settings(study, kind, question)))
    if changed:
        remedy = (
            "give another --study name, repeat the recorded options, or delete the study (nas-results delete)"
        )
        raise QuestionChanged(
            f"study {study.name!r} is in the results database with other settings: {changed}; {why or remedy}"
        )

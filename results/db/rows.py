"""Fill rows: by keyword, with unknown columns refused, and from a trial's own configuration."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from results.db.spec_diff import differences
from results.db.tables import Base, Event, Study
from results.errors import NotOnRecord, QuestionChanged

R = TypeVar("R", bound=Base)


def assign(row: Base, **columns: Any) -> None:
    """Set the row's columns. A NaN becomes null, and what no database takes as text becomes a question mark.

    Raises TypeError for a column that there is not.
    """
    known = row.__table__.columns
    for name, value in columns.items():
        if name not in known:
            raise TypeError(f"{name!r} is no column of {row.__table__}; it has {', '.join(known.keys())}")
        setattr(row, name, _storable(value))


def _storable(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str):  # a trainer's last words may hold anything
        return value.encode(errors="replace").decode().replace("\0", "?")
    return value


def get(session: Session, kind: type[R], row_id: int) -> R:
    """The row of that id. Raises NotOnRecord where there is none."""
    row = session.get(kind, row_id)
    if row is None:
        raise NotOnRecord(f"there is no {kind.__name__.lower()} with id {row_id}; was it deleted meanwhile?")
    return row


def event_now(study_id: int, kind: str, detail: Mapping[str, Any], trial_id: int | None = None) -> Event:
    """An event of this moment."""
    return Event(study_id=study_id, trial_id=trial_id, at=datetime.now(UTC), kind=kind, detail=dict(detail))


def from_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a trial that its trial.json answers, so that plain SQL need not look into JSON.

    A multiplier that is not given is 1; a hyperparameter that is not given is the recipe's, and null here.
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


def begun(kind: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a study that begins now. It seeks what its question says, or its kind's usual."""
    usual = {"nas": {"minimise": "macs"}, "hpo": {"maximise": "accuracy"}}.get(kind, {})
    aim = question.get("aim", usual)
    sought = {name: aim.get(name) for name in ("minimise", "maximise")}
    return {"kind": kind, "question": question, "created_at": datetime.now(UTC), **sought}


def refuse_another_question(study: Study, kind: str, question: Mapping[str, Any]) -> None:
    """Raise QuestionChanged, naming each difference, unless the study asks this question."""
    asked = json.loads(json.dumps(question))  # as it would come back from the record: no tuples
    changed = differences({"kind": study.kind, **study.question}, {"kind": kind, **asked})
    if changed:
        raise QuestionChanged(
            f"study {study.name!r} is on record with another question: {'; '.join(changed)}; "
            "give another --study name, or repeat the recorded options"
        )

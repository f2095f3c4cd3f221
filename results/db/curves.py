"""Learning curves in the database: a trial's measurements, from the trainer's events and back."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from results.db.rows import assign
from results.db.tables import Measurement, Trial


def rows(trial_id: int, measurements: Iterable[Mapping[str, Any]]) -> Iterator[Measurement]:
    """The measurements of a trial in order, of each what there are columns for."""
    known = set(Measurement.__table__.columns.keys()) - {"trial_id", "ordinal"}
    for ordinal, measured in enumerate(measurements):
        row = Measurement(trial_id=trial_id, ordinal=ordinal)
        assign(row, **{key: value for key, value in measured.items() if key in known})
        yield row


Point = tuple[float | None, float | None]


def of_these(session: Session, study_id: int, numbers: Collection[int]) -> dict[int, list[Point]]:
    """The progress and validation accuracy measured of these trials, in order, by their numbers."""
    measured = (Measurement.progress, Measurement.val_accuracy)
    query = select(Trial.number, *measured).join(Trial, Trial.id == Measurement.trial_id)
    query = query.where(Trial.study_id == study_id, Trial.number.in_(numbers))
    found: dict[int, list[Point]] = {}
    for number, progress, accuracy in session.execute(query.order_by(Trial.number, Measurement.ordinal)):
        found.setdefault(number, []).append((progress, accuracy))
    return found

"""What the attempts of a trial have used: seconds of a worker, and joules of its GPU.

Every attempt counts, whatever its outcome. If the energy of one attempt is unknown, that of the trial is
unknown too, since a partial sum would look like a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.executors import Exit
from orchestrator.trial.folder import TrialFolder
from results.db.tables import Trial


@dataclass(frozen=True)
class Usage:
    """Seconds that a worker was held, and the energy of its GPU meanwhile; None if it was not measured."""

    slot_seconds: float = 0.0
    energy_joules: float | None = 0.0

    def __add__(self, other: Usage) -> Usage:
        joules = (self.energy_joules, other.energy_joules)
        known = None if joules[0] is None or joules[1] is None else joules[0] + joules[1]
        return Usage(self.slot_seconds + other.slot_seconds, known)

    def columns(self) -> dict[str, Any]:
        return {"slot_seconds": self.slot_seconds, "energy_joules": self.energy_joules}


def read_usage(row: Trial) -> Usage:
    """Return the usage of a trial's recorded attempts."""
    return Usage() if row.slot_seconds is None else Usage(row.slot_seconds, row.energy_joules)


def add_exit(row: Trial, end: Exit) -> Usage:
    """Return the usage of a trial's attempts, the last of which ended so."""
    return read_usage(row) + Usage(end.wall_seconds, end.energy_joules if end.wall_seconds else 0.0)


def add_adopted(row: Trial, columns: Mapping[str, Any]) -> Usage:
    """Return the usage of a trial's attempts, the last of which ended while no orchestrator ran."""
    seconds = columns.get("wall_seconds") or columns.get("train_seconds") or 0.0
    return read_usage(row) + Usage(seconds, None)


def estimate_usage(row: Trial, folder: TrialFolder, most_seconds: float) -> Usage:
    """Return the usage of a trial's attempts if the orchestrator was killed during the last one.

    That attempt is taken to have ended when it last wrote a file, and at most `most_seconds` after its
    start, because the clock may have jumped. A row without a start has only the recorded attempts.
    """
    known = read_usage(row)
    if row.started_at is None or not folder.metrics.exists():
        return known
    written = max(file.stat().st_mtime for file in (folder.metrics, folder.log) if file.exists())
    seconds = (datetime.fromtimestamp(written, UTC) - row.started_at).total_seconds()
    return known + Usage(min(max(seconds, 0.0), most_seconds), None)

"""What the attempts of a trial have used: seconds of a worker, and joules of its GPU.

Every attempt counts, whatever its outcome. If the energy of one attempt is unknown, that of the trial is
unknown too, since a partial sum would look like a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.executors import Exit
from orchestrator.trial.outcome import TrialOutcome
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


def of_exit(end: Exit) -> Usage:
    return Usage(end.wall_seconds, end.energy_joules if end.wall_seconds else 0.0)


def on_record(row: Trial) -> Usage:
    """Return the usage of a trial's attempts so far, from its row."""
    return Usage() if row.slot_seconds is None else Usage(row.slot_seconds, row.energy_joules)


def estimate_usage(row: Trial, folder: Path, most_seconds: float) -> Usage:
    """Return the usage of a trial's attempts if the orchestrator was killed during the last one.

    That attempt is taken to have ended when it last wrote a file, and at most `most_seconds` after its
    start, because the clock may have jumped. A row without a start has only the recorded attempts.
    """
    known = on_record(row)
    path = folder / "metrics.jsonl"
    if row.started_at is None or not path.exists():
        return known
    written = max(file.stat().st_mtime for file in (path, folder / "log.txt") if file.exists())
    seconds = (datetime.fromtimestamp(written, UTC) - row.started_at).total_seconds()
    return known + Usage(min(max(seconds, 0.0), most_seconds), None)


def adopt_usage(found: TrialOutcome, row: Trial) -> Usage:
    """Return the usage of a trial's attempts, the last of which ended while no orchestrator ran."""
    seconds = found.columns.get("wall_seconds") or found.columns.get("train_seconds") or 0.0
    return on_record(row) + Usage(seconds, None)

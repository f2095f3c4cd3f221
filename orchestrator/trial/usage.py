"""What the attempts of a trial have used: seconds of a slot, and joules of its GPU.

Every attempt counts, whatever came of it. The surprise: joules are known of all attempts or not at all, for
a sum that leaves some out would be no measurement.
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
    """Seconds that a slot was held, and what its GPU took meanwhile; None where that was not measured."""

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
    """Return what a trial's row says of its attempts so far."""
    return Usage() if row.slot_seconds is None else Usage(row.slot_seconds, row.energy_joules)


def unwitnessed(row: Trial, folder: Path, most_seconds: float) -> Usage:
    """Return the use of a trial's attempts where the orchestrator was killed during the last one.

    That one's end is taken to be the last moment at which it wrote anything, and no more than `most_seconds`
    after its start, for the clock may have jumped. A row without a start has no attempt but those on record.
    """
    known = on_record(row)
    path = folder / "metrics.jsonl"
    if row.started_at is None or not path.exists():
        return known
    written = max(file.stat().st_mtime for file in (path, folder / "log.txt") if file.exists())
    seconds = (datetime.fromtimestamp(written, UTC) - row.started_at).total_seconds()
    return known + Usage(min(max(seconds, 0.0), most_seconds), None)


def adopted(found: TrialOutcome, row: Trial) -> Usage:
    """Return the use of a trial's attempts, the last of which ended when nobody was there."""
    seconds = found.columns.get("wall_seconds") or found.columns.get("train_seconds") or 0.0
    return on_record(row) + Usage(seconds, None)

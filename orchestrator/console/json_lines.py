"""A run as JSON lines on standard output, for scripts and agents: one object an event, and one at the end.

What is written for people goes to stderr then. docs/usage.md lists the events.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from orchestrator.console.format import shown_accuracy
from orchestrator.console.progress import ConsoleProgress
from orchestrator.spec.objective import amount_of
from orchestrator.trial.request import RunningTrial
from results.db.tables import Trial

_NOT_TOLD = ("question", "request")  # of a study's row: long, and what was asked is known


class JsonProgress(ConsoleProgress):
    """Prints a line for each start and end of a training, each new best one, and each note."""

    def note(self, text: str) -> None:
        emit("note", text=text)

    def show_start(self, trial: RunningTrial) -> None:
        super().show_start(trial)
        emit("trial_started", **self._about(trial.row))

    def show_end(self, row: Trial) -> None:
        self._meter.count(row)
        emit("trial_ended", **self._about(row), spent=self._meter.spent, trials=self._meter.trainings)

    def show_untrained(self, row: Trial) -> None:
        emit("trial_skipped", **self._about(row))

    def show_best(self, row: Trial) -> None:
        emit("best", **self._about(row))

    def _about(self, row: Trial) -> dict[str, Any]:
        size = self._aim.told
        return {
            "trial": row.number,
            "purpose": row.purpose,
            "point": dict(row.point or {}),
            "state": row.state,
            "reason": row.reason,
            "message": row.message,
            "verdict": row.verdict,
            size.name: amount_of(row, size),
            self._aim.sought.key: shown_accuracy(row),
            "seconds": row.wall_seconds,
            "folder": row.folder,
        }


def emit(event: str, **fields: Any) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def emit_end(code: int, error: str | None = None, study: dict[str, Any] | None = None) -> None:
    """Print the last line. study: as `describe_study` has it"""
    emit("end", exit_code=code, error=error, study=study)


def describe_study(database: str, study: str) -> dict[str, Any]:
    """Return a study's row, with its saved models."""
    from results import export as exporting
    from results import queries  # pandas: half a second to import

    row = exporting.records(queries.studies(database, study))[0]
    models = exporting.records(queries.models(database))
    own = [model for model in models if model["study"] == study]
    return {name: value for name, value in row.items() if name not in _NOT_TOLD} | {"models": own}

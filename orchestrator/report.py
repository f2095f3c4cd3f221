"""Read what a trainer wrote to its metrics.jsonl.

The trainer is another program and may die half-way through a line, so a last line that is
not valid JSON is dropped; anything else malformed is an error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TAIL_BYTES = 4096
_MEASURED = (
    "epoch",
    "step",
    "progress",
    "elapsed_seconds",
    "learning_rate",
    "train_loss",
    "val_accuracy",
    "val_loss",
)
_FINAL = (
    "val_accuracy",
    "val_loss",
    "test_accuracy",
    "test_accuracy_1000",
    "test_loss",
    "epochs",
    "steps",
    "total_steps",
    "replans",
    "train_seconds",
    "overshoot_seconds",
    "wall_seconds",
    "images_per_second",
    "peak_memory_bytes",
)
_MACHINE = ("host", "device", "device_name", "driver", "versions")


class MalformedReport(ValueError):
    """A line of metrics.jsonl, not the last, is no JSON object."""


@dataclass(frozen=True)
class Report:
    """The events of one training, in order."""

    events: tuple[dict[str, Any], ...]

    def last(self, name: str) -> dict[str, Any] | None:
        return next((event for event in reversed(self.events) if event.get("event") == name), None)

    @property
    def measurements(self) -> list[dict[str, Any]]:
        epochs = [event for event in self.events if event.get("event") == "epoch"]
        return [{name: finite(event.get(name)) for name in _MEASURED} for event in epochs]

    @property
    def final_columns(self) -> dict[str, Any]:
        """What a trial's row says of the end of its training; empty where there was none."""
        final = self.last("final") or {}
        return {name: finite(final[name]) for name in _FINAL if name in final}

    @property
    def machine_columns(self) -> dict[str, Any]:
        machine = self.last("machine") or {}
        return {name: machine[name] for name in _MACHINE if name in machine}

    def is_complete(self, asked: Iterable[str] = ("val_accuracy",)) -> bool:
        """Whether training ended and each of the accuracies asked for is one."""
        found = [self.final_columns.get(name) for name in asked]
        return all(isinstance(accuracy, int | float) and 0 <= accuracy <= 1 for accuracy in found)


def finite(value: Any) -> Any:
    """Return `value`, or None for NaN and infinities, which no database column should hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read(path: Path) -> Report:
    """Return the events in the file at `path`; none where it does not exist. Raise MalformedReport."""
    if not path.exists():
        return Report(())
    return Report(tuple(_events(path.read_text(encoding="utf-8", errors="replace"), path)))


def _events(text: str, path: Path) -> Iterator[dict[str, Any]]:
    lines = text.split("\n")  # a whole last line leaves an empty one behind it
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise MalformedReport(f"line {number} of {path} is not JSON: {line[:60]!r}") from error
        if not isinstance(event, dict):
            raise MalformedReport(f"line {number} of {path} is no JSON object: {line[:60]!r}")
        yield event


def measured_so_far(path: Path) -> list[dict[str, Any]]:
    """Return the measurements in a file that is still being written; none where it is malformed."""
    try:
        return read(path).measurements
    except MalformedReport:
        return []


def latest_epoch(path: Path, trial: int | None = None) -> dict[str, Any] | None:
    """Return the last whole `epoch` event near the end of a file that is still being written.

    `trial`: its number among the several whose lines are there.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return None
    epochs = filter(None, map(_epoch, reversed(lines)))
    return next((event for event in epochs if event.get("trial") == trial), None)


def _epoch(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and event.get("event") == "epoch" else None


def last_line(path: Path) -> str:
    """Return the last line of a log that says anything; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")

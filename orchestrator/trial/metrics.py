"""Read what a trainer wrote to its metrics.jsonl.

The trainer is another program and may die half-way through a line, so a last line that is
not valid JSON is dropped; anything else malformed is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results.db.tables import Measurement
from results.scores import ACCURACY, LARGEST, SCORES, Score

_TAIL_BYTES = 4096
MOST_OF_CURVE_BYTES = 4 << 20
_MEASURED = [
    column.name
    for column in Measurement.__table__.columns
    if column.name not in ("trial_id", "ordinal", "score")
]
_FINAL = (
    *(score.field for score in SCORES.values()),
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
_BY_CLASS = "val_class_accuracies"
_WHOLE = frozenset({"step", "steps", "total_steps", "replans", "peak_memory_bytes"})
_MACHINE = ("host", "device", "device_name", "driver")
_LARGEST = 2.0**63  # a whole number from here on is more than a database keeps


class MalformedMetrics(ValueError):
    """A line of metrics.jsonl, other than the last, is not a JSON object."""


@dataclass(frozen=True)
class MetricsLog:
    """The events of one training, in order. `sought`: the score that its study seeks."""

    events: tuple[dict[str, Any], ...]
    sought: Score = ACCURACY

    def last(self, name: str) -> dict[str, Any] | None:
        return next((event for event in reversed(self.events) if event.get("event") == name), None)

    @property
    def measurements(self) -> list[dict[str, Any]]:
        epochs = [event for event in self.events if event.get("event") == "epoch"]
        return [self._numbers(_MEASURED, event) for event in epochs]

    @property
    def final_columns(self) -> dict[str, Any]:
        """Return a trial's columns about the end of its training; empty if it did not end."""
        final = self.last("final")
        if final is None:
            return {}
        numbers = self._numbers([name for name in _FINAL if name in final], final)
        return numbers | ({_BY_CLASS: _accuracies_by_class(final)} if _BY_CLASS in final else {})

    @property
    def most_frequent(self) -> float | None:
        """Return the fraction of the validation images that are of their most frequent class, if told."""
        told: Any = (self.last("final") or {}).get("val_most_frequent")
        return float(told) if ACCURACY.holds(told) and told > 0 else None

    @property
    def machine_columns(self) -> dict[str, Any]:
        """Return a trial's columns about the machine."""
        machine = self.last("machine") or {}
        known = [name for name in _MACHINE if isinstance(machine.get(name, 0), str | None)]
        told: dict[str, Any] = {name: machine[name] for name in known}
        versions = machine.get("versions")
        if isinstance(versions, dict):
            told["versions"] = {str(name): str(version) for name, version in versions.items()}
        return told

    def is_complete(self, asked: Iterable[str] = ("val_accuracy",)) -> bool:
        """Whether training ended and reported each of the accuracies asked for."""
        found = self.final_columns | {self.sought.field: (self.last("final") or {}).get(self.sought.field)}
        return all(self._score_of(name).holds(found.get(name)) for name in asked)

    def lack(self, asked: Iterable[str]) -> str:
        """Return what incomplete metrics lack, as the end of a sentence."""
        final = self.last("final")
        if final is None:
            return "without a final line"
        wrong = [
            f"{name} {final.get(name)!r:.40}"
            for name in asked
            if not self._score_of(name).holds(final.get(name))
        ]
        what = "finite number" if self.sought.is_number else "fraction in [0, 1]"
        said = f"with {', '.join(wrong)}, which is not a {what}"
        if self.sought != ACCURACY and final.get(self.sought.field) is None:
            said += f"; its trainer does not report what --metric {self.sought.name} needs: omit --metric"
        return said

    def _score_of(self, field: str) -> Score:
        return self.sought if field == self.sought.field else ACCURACY

    def _numbers(self, names: Iterable[str], event: Mapping[str, Any]) -> dict[str, Any]:
        """Return columns from an event, with `score` unless the accuracy itself is sought."""
        known = {name: number(name, event.get(name)) for name in names}
        if self.sought != ACCURACY:
            known[self.sought.column] = number("score", event.get(self.sought.field))
        return known


def _accuracies_by_class(final: Mapping[str, Any]) -> dict[str, float | None] | None:
    """Return the accuracy of each class by its name, or by its number if the names do not tell them apart."""
    accuracies, names = final[_BY_CLASS], final.get("class_names")
    if not isinstance(accuracies, list) or not all(one is None or ACCURACY.holds(one) for one in accuracies):
        return None
    known = [str(name).encode(errors="replace").decode() for name in names] if isinstance(names, list) else []
    numbers = map(str, range(len(accuracies)))
    keys = known if len(set(known)) == len(accuracies) == len(known) else numbers
    return dict(zip(keys, accuracies, strict=True))


def number(name: str, value: Any) -> int | float | None:
    """Return the value of a metric; None for NaN, infinities and others that a database cannot hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not (abs(value) <= LARGEST if name == "score" else abs(value) < _LARGEST):
        return None
    if name in _WHOLE:
        return int(value) if value == int(value) else None
    return float(value) if isinstance(value, int) and abs(value) > 2**53 else value


def read(path: Path, sought: Score = ACCURACY) -> MetricsLog:
    """Return the events in the file at `path`; none if it does not exist. Raise MalformedMetrics."""
    if not path.exists():
        return MetricsLog((), sought)
    events = tuple(_events(path.read_text(encoding="utf-8-sig", errors="replace"), path))
    finals = sum(event.get("event") == "final" for event in events)
    if finals > 1:
        raise MalformedMetrics(f"{path} has {finals} final events; a training has exactly one")
    return MetricsLog(events, sought)


def _events(text: str, path: Path) -> Iterator[dict[str, Any]]:
    lines = text.split("\n")  # a whole last line leaves an empty one behind it
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                return
            raise MalformedMetrics(f"line {number} of {path} is not JSON: {line[:60]!r}") from error
        if not isinstance(event, dict):
            raise MalformedMetrics(f"line {number} of {path} is not a JSON object: {line[:60]!r}")
        yield event


def read_measurements(path: Path, sought: Score) -> list[dict[str, Any]]:
    """Return the measurements in a file that is being written; none if it is malformed or too long."""
    try:
        if path.stat().st_size > MOST_OF_CURVE_BYTES:  # too long to be read several times a second
            return []
        return read(path, sought).measurements
    except (MalformedMetrics, FileNotFoundError):
        return []


def latest_epoch(path: Path) -> dict[str, Any] | None:
    """Return the last whole `epoch` event near the end of a file that is still being written."""
    for line in reversed(_tail(path).split("\n")):
        with suppress(ValueError, RecursionError):
            event = json.loads(line)
            if isinstance(event, dict) and event.get("event") == "epoch":
                return event
    return None


def last_line(path: Path) -> str:
    """Return the last line of a log that is not blank; empty if there is none."""
    return next(filter(None, map(str.strip, reversed(_tail(path).splitlines()))), "")


def _tail(path: Path) -> str:
    """Return the end of a file; empty if it does not exist."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""

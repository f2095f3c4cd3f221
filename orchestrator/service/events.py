"""Server-sent events: the changes of a study, as they happen.

A study is polled once a second for all pages that watch it, so many pages cost no more than one. A page
opens the stream first and reads the present state afterwards, so that it misses nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anyio import to_thread

from orchestrator.service import files
from orchestrator.service.queries import RecordQueries
from orchestrator.service.responses import to_json
from results.errors import StoreError
from results.scores import Score

PERIOD_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 15.0
_AT_ONCE = 200  # rows in one event


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment."""

    at: float
    study: dict[str, Any] | None
    marks: dict[int, tuple[Any, ...]]  # by trial: a value that changes when the trial does
    clocks: list[dict[str, Any]]


class StudyWatch:
    """One study, polled once a period for all streams."""

    def __init__(self, record: RecordQueries, runs: Path, name: str) -> None:
        self._record = record
        self._runs = runs
        self.name = name
        self._last: Snapshot | None = None
        self._polling = asyncio.Lock()

    async def poll(self) -> Snapshot:
        """Return the study as it is now, or as it was less than a period ago."""
        async with self._polling:
            if self._last is None or time.monotonic() - self._last.at >= 0.9 * PERIOD_SECONDS:
                self._last = await to_thread.run_sync(self._read)
            return self._last

    def _read(self) -> Snapshot:
        sought = self._record.sought(self.name)
        clocks = [self._read_clock(row, sought) for row in self._record.running(self.name)]
        marks, last = self._record.marks(self.name), self._last
        same = last.study if last is not None and last.marks == marks else None
        found_already = same and {key: same[key] for key in ("best", "front")}
        return Snapshot(time.monotonic(), self._record.study(self.name, found_already), marks, clocks)

    def _read_clock(self, row: dict[str, Any], sought: Score) -> dict[str, Any]:
        begun, epoch = row["started_at"], files.read_latest(self._runs, row["folder"])
        seconds = max(0.0, (datetime.now(UTC) - begun).total_seconds()) if begun else 0.0
        names = {"val_accuracy": "val_accuracy", "progress": "progress", sought.column: sought.field}
        progress = {name: epoch.get(field) for name, field in names.items()}
        return {"number": row["number"], "seconds": round(seconds, 1), **progress}


async def stream_changes(
    watch: StudyWatch, record: RecordQueries, last_event: int | None
) -> AsyncIterator[str]:
    """Yield the study's changes as they come: events `study`, `trials`, `clocks` and `note`.

    `last_event`: the id of the last note that the client received; None: only notes from now on.
    """
    sent: Snapshot | None = None
    sent_at = time.monotonic()
    if last_event is None:
        last_event = await to_thread.run_sync(record.newest_event, watch.name)
    while True:
        try:
            now = await watch.poll()
            parts = _study_events(sent, now)
            if sent is not None:
                parts += await _trial_events(record, watch.name, sent, now)
            notes = await to_thread.run_sync(record.events, watch.name, last_event)
        except StoreError as error:
            yield _event("trouble", {"detail": str(error)})
            return
        sent = now
        for note in notes:
            last_event = note["id"]
            parts.append(_event("note", note, last_event))
        if not parts and time.monotonic() - sent_at > _KEEP_ALIVE_SECONDS:
            parts.append(": still here\n\n")
        if parts:
            sent_at = time.monotonic()
            yield "".join(parts)
        if now.study is None:
            return
        await asyncio.sleep(PERIOD_SECONDS)


def _study_events(before: Snapshot | None, now: Snapshot) -> list[str]:
    if now.study is None:
        return [_event("gone", {})]
    parts = []
    if before is None or before.study != now.study:
        parts.append(_event("study", now.study))
    if now.clocks or (before is not None and before.clocks):
        parts.append(_event("clocks", now.clocks))
    return parts


async def _trial_events(record: RecordQueries, name: str, before: Snapshot, now: Snapshot) -> list[str]:
    changed = [number for number, mark in now.marks.items() if before.marks.get(number) != mark]
    parts = []
    for first in range(0, len(changed), _AT_ONCE):
        numbers = changed[first : first + _AT_ONCE]
        parts.append(_event("trials", await to_thread.run_sync(record.trials_numbered, name, numbers)))
    return parts


def _event(kind: str, value: Any, number: int | None = None) -> str:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: {to_json(value)}\n\n"

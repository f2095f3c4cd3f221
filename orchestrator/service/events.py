"""Server-sent events: the changes of a study, as they happen.

A study is polled once a second for all pages that watch it, so many pages cost no more than one. A page
opens the stream first and reads the present state afterwards, so that it misses nothing.
"""

from __future__ import annotations

import asyncio
import json
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

PERIOD_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 15.0
_AT_ONCE = 200  # rows in one event
_Marks = dict[int, tuple[Any, ...]]


@dataclass(frozen=True)
class Look:
    """A study at one moment."""

    at: float
    study: dict[str, Any] | None
    marks: _Marks
    clocks: list[dict[str, Any]]


class Watch:
    """One study, polled once a period for all streams."""

    def __init__(self, record: RecordQueries, runs: Path, name: str) -> None:
        self._record = record
        self._runs = runs
        self.name = name
        self._last: Look | None = None
        self._looking = asyncio.Lock()

    async def look(self) -> Look:
        async with self._looking:
            if self._last is None or time.monotonic() - self._last.at >= 0.9 * PERIOD_SECONDS:
                self._last = await to_thread.run_sync(self._fresh)
            return self._last

    def _fresh(self) -> Look:
        record, name = self._record, self.name
        running = record.running(name)
        clocks = [{"number": row["number"], **_clock(self._runs, row)} for row in running]
        marks, last = record.marks(name), self._last
        same = last.study if last is not None and last.marks == marks else None
        found_already = same and {key: same[key] for key in ("best", "front")}
        return Look(time.monotonic(), record.study(name, found_already), marks, clocks)


def _clock(runs: Path, row: dict[str, Any]) -> dict[str, Any]:
    begun = row["started_at"]
    seconds = max(0.0, (datetime.now(UTC) - begun).total_seconds()) if begun else 0.0
    epoch = files.latest(runs, row["folder"])
    return {"seconds": round(seconds, 1), **{name: epoch.get(name) for name in ("val_accuracy", "progress")}}


async def changes(watch: Watch, record: RecordQueries, last_event: int | None) -> AsyncIterator[str]:
    """Yield the study's changes as they come: events `study`, `trials`, `clocks` and `note`.

    `last_event`: the id of the last note that the client received; None: only notes from now on.
    """
    told: Look | None = None
    said = time.monotonic()
    heard = last_event if last_event is not None else await _newest(record, watch.name)
    while True:
        try:
            look = await watch.look()
            parts = _differences(told, look)
            if told is not None:
                parts += await _changed_trials(record, watch.name, told.marks, look.marks)
            notes = await to_thread.run_sync(record.events, watch.name, heard)
        except StoreError as error:
            yield _event("trouble", {"detail": str(error)})
            return
        told = look
        for note in notes:
            heard = note["id"]
            parts.append(_event("note", note, heard))
        if not parts and time.monotonic() - said > _KEEP_ALIVE_SECONDS:
            parts.append(": still here\n\n")
        if parts:
            said = time.monotonic()
            yield "".join(parts)
        if look.study is None:
            return
        await asyncio.sleep(PERIOD_SECONDS)


def _differences(told: Look | None, look: Look) -> list[str]:
    if look.study is None:
        return [_event("gone", {})]
    parts = []
    if told is None or _plain(told.study) != _plain(look.study):
        parts.append(_event("study", look.study))
    if look.clocks or (told is not None and told.clocks):
        parts.append(_event("clocks", look.clocks))
    return parts


async def _changed_trials(record: RecordQueries, name: str, before: _Marks, now: _Marks) -> list[str]:
    changed = [number for number, marks in now.items() if before.get(number) != marks]
    parts = []
    for first in range(0, len(changed), _AT_ONCE):
        rows = await to_thread.run_sync(record.these, name, changed[first : first + _AT_ONCE])
        parts.append(_event("trials", rows))
    return parts


async def _newest(record: RecordQueries, name: str) -> int:
    return await to_thread.run_sync(record.newest_event, name)


def _plain(study: dict[str, Any] | None) -> str:
    return json.dumps(study, default=str, sort_keys=True)


def _event(kind: str, told: Any, number: int | None = None) -> str:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: {to_json(told)}\n\n"

"""The latencies that a study measures at its end: of the base network and of those that it saves.

Each network has an event of the kind EVENT. Its detail has `trial`, the number of the first training of the
network, null for the base, and `measured`, a list with one object for each device and batch: `device`,
`batch`, and either `milliseconds` for the whole batch with `iqr_milliseconds`, `passes`, `device_name`,
`precision` and `threads`, or `skipped`, the reason why there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from results.db.tables import Event, Trial
from results.format import quantity

EVENT = "latency"
COLUMNS = (
    *("trial", "device", "device_name", "precision", "threads", "batch"),
    *("milliseconds", "iqr_milliseconds", "passes", "skipped"),
)


def rows_of(details: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row with COLUMNS for each network, device and batch; the base first, then by trial.

    details: of the study's events of this kind, oldest first; of each network the latest counts
    """
    latest = {detail["trial"]: detail["measured"] for detail in details}
    return [
        dict.fromkeys(COLUMNS) | measured | {"trial": trial}
        for trial in sorted(latest, key=lambda trial: trial or 0)
        for measured in latest[trial]
    ]


def card_entries(events: Iterable[Event], trial: Trial, question: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the latencies of a trial's network for its model card: `device`, `batch` and `milliseconds`.

    events: of its study; question: the study's settings. What --latency-command measured comes first.
    """
    entries: list[dict[str, Any]] = []
    if "latency_command" in question and trial.latency_ms is not None:
        entries.append(
            {"device": "measured by a command", "batch": 1, "milliseconds": trial.latency_ms},
        )
    for row in rows_of(event.detail for event in events if event.kind == EVENT):
        if row["trial"] == trial.number and row["skipped"] is None:
            device = f"{row['device_name']}, {row['precision']}"
            if row["device"] == "cpu":
                device += f", {quantity(row['threads'], 'thread')}"
            entries.append({"device": device, "batch": row["batch"], "milliseconds": row["milliseconds"]})
    return entries

"""When each worker was busy, with which trial, and what fraction of the time it was idle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from results.format import REPEAT, STOPPED_EARLY, plain_rows
from results.plots._look import LOOKS, empty, finish_figure, hover_text
from results.study_record import OUTCOMES, Row, StudyRecord

_FEW = 200  # bars that are wide enough for an edge and a number
_PATTERNS = {"failed": "x", STOPPED_EARLY: "/", "baseline": ".", REPEAT: "\\"}
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Use:
    """How a worker was used between the study's first start and its last end, while the study was running."""

    slot: str
    trials: int
    busy_seconds: float
    idle_seconds: float

    @property
    def idle(self) -> float:
        """The fraction of idle time, in [0, 1]."""
        whole = self.busy_seconds + self.idle_seconds
        return self.idle_seconds / whole if whole else 0.0


def timeline(study: StudyRecord, dark: bool = False) -> go.Figure:
    """Plot one lane per worker and one bar per training; the axis shows the fraction of idle time."""
    title = f"When each {study.slot_kind} was busy"
    rows = list_trainings(study)
    if not rows:
        return empty(title, "no training has ended yet", dark)
    used = {use.slot: use for use in uses(study)}
    names = {slot: f"{slot}<br>{use.idle:.0%} idle" for slot, use in used.items()}
    figure = go.Figure()
    for outcome in OUTCOMES:
        shown = [row for row in rows if row["outcome"] == outcome]
        if shown:
            _add_bars(figure, outcome, shown, names, len(rows) <= _FEW)
    figure.update_layout(barmode="overlay", bargap=0.25)
    figure.update_xaxes(type="date", title="time (UTC)", tickangle=0, nticks=5)
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=list(names.values())[::-1])
    return finish_figure(figure, title, dark, height=170 + 60 * len(names))


def list_trainings(study: StudyRecord) -> list[Row]:
    """Return the finished trainings, in the order in which they ended."""
    return [row for row in study.trained if row["started_at"] is not None]


def uses(study: StudyRecord) -> list[Use]:
    """Return the use of each worker, by name. Time between a stop and a resume does not count as idle."""
    rows = list_trainings(study)
    if not rows:
        return []
    whole = (min(row["started_at"] for row in rows), max(row["finished_at"] for row in rows))
    away = _away(study, rows)
    running = _seconds([whole]) - _seconds(away)
    found = []
    for slot in sorted({slot_of(row) for row in rows}):
        own = [row for row in rows if slot_of(row) == slot]
        busy = _seconds(_merged((row["started_at"], row["finished_at"]) for row in own))
        found.append(Use(slot, len(own), busy, max(0.0, running - busy)))
    return found


def slot_of(row: Row) -> str:
    return " ".join(str(row[key]) for key in ("host", "slot") if row[key]) or "unknown worker"


def _away(study: StudyRecord, rows: Sequence[Row]) -> list[Span]:
    """Return when no orchestrator ran: from the last end before each resume to the first start after."""
    spans = []
    for event in plain_rows(study.events):
        if event["kind"] != "resumed":
            continue
        before = [row["finished_at"] for row in rows if row["finished_at"] <= event["at"]]
        after = [row["started_at"] for row in rows if row["started_at"] >= event["at"]]
        if before and after:
            spans.append((max(before), min(after)))
    return _merged(spans)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Return the same times without overlaps."""
    kept: list[Span] = []
    for start, end in sorted(spans):
        if kept and start <= kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        else:
            kept.append((start, end))
    return kept


def _seconds(spans: Iterable[Span]) -> float:
    return sum((end - start).total_seconds() for start, end in spans)


def _add_bars(figure: go.Figure, outcome: str, rows: Sequence[Row], names: dict[str, str], few: bool) -> None:
    look = LOOKS[outcome]
    pattern: dict[str, Any] = {
        "shape": _PATTERNS.get(outcome, ""),
        "bgcolor": look.colour,
        "fgcolor": "rgba(255,255,255,.5)",
    }
    pattern |= {"size": 6, "solidity": 0.25}
    seconds = [(row["finished_at"] - row["started_at"]).total_seconds() for row in rows]
    figure.add_bar(
        base=[row["started_at"].isoformat() for row in rows],
        x=[1000 * span for span in seconds],  # plotly counts dates in milliseconds
        y=[names[slot_of(row)] for row in rows],
        orientation="h",
        name=rows[0]["label"],
        marker={
            "color": look.colour,
            "line": {"color": "rgba(255,255,255,.8)", "width": 1 if few else 0},
            "pattern": pattern,
        },
        text=[str(row["number"]) for row in rows] if few else None,
        textposition="inside",
        insidetextanchor="middle",
        hovertext=[
            hover_text(row, f"{span:.1f} s on {slot_of(row)}")
            for row, span in zip(rows, seconds, strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )

"""What a search shows while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator import report, team
from orchestrator.aim import UNITS
from orchestrator.meter import Meter
from orchestrator.order import Order
from orchestrator.words import (
    PointValues,
    accuracy_text,
    best_text,
    measured,
    point_text,
    pruned_text,
    result_text,
    size_number,
)
from results.models import Trial

_RECENT = 10  # ended trials that the live table keeps in view


@dataclass
class Running:
    """A trial under way. It waits for a slot until `has_started` is called, by the executor's thread."""

    order: Order
    row: Trial
    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)  # of this trial alone
    slot: str | None = None
    started: float = field(default_factory=time.monotonic)
    seen_bytes: int = 0  # of its metrics, when they were last asked for

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def latest_epoch(self) -> dict[str, Any] | None:
        """What the trainer last told of it."""
        return report.latest_epoch(*team.place(self.folder))

    def has_news(self) -> bool:
        """Whether its metrics have grown since the last time that this was asked."""
        try:
            size = self.metrics.stat().st_size
        except FileNotFoundError:
            return False
        grown, self.seen_bytes = size > self.seen_bytes, size
        return grown

    def has_started(self, slot: str) -> None:
        self.slot, self.started = slot, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the process began; 0 while the trial waits for a slot."""
        return time.monotonic() - self.started if self.slot else 0.0


class Display(Protocol):
    """Told of everything that a person would want to see; changes nothing."""

    def note(self, text: str) -> None: ...
    def started(self, trial: Running) -> None: ...
    def ended(self, row: Trial) -> None: ...
    def answered(self, row: Trial) -> None: ...
    def best(self, row: Trial) -> None: ...
    def tick(self, running: Sequence[Running]) -> None: ...
    def slept(self, seconds: float) -> None:
        """This process was suspended so long, which tells nothing of how the search goes on."""

    def close(self) -> None: ...


class Plain:
    """One line an event, for pipes and logs."""

    def __init__(
        self, console: Console, meter: Meter, start: PointValues | None = None, size: str = "macs"
    ) -> None:
        self._console = console
        self._meter = meter
        self._start = start
        self._size = size

    def note(self, text: str) -> None:
        self._print(text)

    def started(self, trial: Running) -> None:
        point = point_text(trial.order.point, self._start)
        self._print(f"trial {trial.row.number} begins: {trial.row.purpose}, {point}")

    def ended(self, row: Trial) -> None:
        self._meter.count(row)
        self._print(f"trial {row.number} {result_text(row, self._start, self._size)} [{self._meter}]")

    def answered(self, row: Trial) -> None:
        self._print(f"trial {row.number} {result_text(row, self._start, self._size)}")

    def best(self, row: Trial) -> None:
        self._print(best_text(row, self._start, self._size))

    def tick(self, running: Sequence[Running]) -> None:
        pass  # a clock is for a screen

    def slept(self, seconds: float) -> None:
        self._meter.begun += seconds

    def close(self) -> None:
        pass

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Screen:
    """A table that stays in place: the trials running with their clocks, the last ended, the best."""

    def __init__(
        self,
        console: Console,
        meter: Meter,
        title: str,
        start: PointValues | None = None,
        size: str = "macs",
    ) -> None:
        self._meter = meter
        self._start = start
        self._size = size
        self._title = title
        self._notes: deque[str] = deque(maxlen=2)
        self._recent: deque[Trial] = deque(maxlen=_RECENT)
        self._best: Trial | None = None
        self._running: Sequence[Running] = ()
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4)
        self._live.start()

    def note(self, text: str) -> None:
        self._notes.append(text)

    def started(self, trial: Running) -> None:
        pass  # the next tick shows it

    def ended(self, row: Trial) -> None:
        self._meter.count(row)
        self._recent.append(row)

    def answered(self, row: Trial) -> None:
        self._recent.append(row)

    def best(self, row: Trial) -> None:
        self._best = row

    def tick(self, running: Sequence[Running]) -> None:
        self._running = running

    def slept(self, seconds: float) -> None:
        self._meter.begun += seconds

    def close(self) -> None:
        self._running = ()
        self._live.stop()

    def _render(self) -> RenderableType:
        table = Table(title=self._title, title_justify="left", caption=str(self._meter), expand=False)
        for name in ("trial", "purpose"):
            table.add_column(name, no_wrap=True, min_width=len(name))
        table.add_column("point", overflow="fold")  # a narrow terminal folds words, never numbers
        for name in (UNITS[self._size], "accuracy", "seconds"):
            table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
        table.add_column("state", overflow="fold")
        for row in list(self._recent):
            table.add_row(
                *_row_cells(row, self._start, self._size), style="bold green" if row is self._best else None
            )
        for trial in self._running:
            table.add_row(*_running_cells(trial, self._start, self._size), style="cyan")
        lines = [*self._notes]
        if self._best:
            lines.append(best_text(self._best, self._start, self._size))
        return Group(table, *(Text(line) for line in lines if line))


def _row_cells(row: Trial, start: PointValues | None, size: str) -> list[str]:
    state = row.state if row.reason is None else f"{row.state}: {row.reason}"
    if row.state == "pruned":
        state = pruned_text(row)
    if row.state == "duplicate":
        state += f" of {row.of_trial_number}"
    return [
        str(row.number),
        _purpose(row),
        point_text(row.point, start),
        size_number(row, size),
        accuracy_text(measured(row)),
        f"{row.wall_seconds:.1f}" if row.wall_seconds else "",
        state,
    ]


def _running_cells(trial: Running, start: PointValues | None, size: str) -> list[str]:
    epoch = trial.latest_epoch or {}
    return [
        str(trial.row.number),
        _purpose(trial.row),
        point_text(trial.order.point, start),
        size_number(trial.order.description, size),
        accuracy_text(epoch.get("val_accuracy")),
        f"{trial.seconds:.1f}",
        f"on {trial.slot}" if trial.slot else "waits for a slot",
    ]


def _purpose(row: Trial) -> str:
    return row.purpose if row.purpose != "confirmation" else f"confirms {row.of_trial_number}"

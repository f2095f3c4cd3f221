"""Show a running search: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.console.format import (
    MACS,
    PointValues,
    accuracy_text,
    best_text,
    point_text,
    pruned_text,
    result_text,
    shown_accuracy,
)
from orchestrator.spec.objective import amount_of
from orchestrator.trial import outcome
from orchestrator.trial.progress import RunningTrial
from results.analysis import forecast
from results.db.tables import Trial
from results.metrics import Metric

_RECENT = 10  # ended trials that the live table keeps in view
_LEFT_OUT = (
    "purpose",
    "seconds",
    "state",
    "candidate",
)  # columns that a narrow terminal leaves out, in this order
_FOLDED = ("candidate", "state")  # words fold, numbers never
_NUMBERS = ("accuracy", "seconds")
_LEAST_FOLDED = 8  # cells: narrower, words would be columns of letters
_UNBOUNDED = 1000


class PlainProgress:
    """Prints one line per event, for pipes and logs."""

    def __init__(
        self, console: Console, meter: ProgressMeter, start: PointValues | None = None, size: Metric = MACS
    ) -> None:
        self._console = console
        self._meter = meter
        self._start = start
        self._size = size

    def note(self, text: str) -> None:
        self._print(text)

    def started(self, trial: RunningTrial) -> None:
        point = point_text(trial.order.point, self._start)
        self._print(f"trial {trial.row.number} starts: {_purpose(trial.row)}, {point}")

    def ended(self, row: Trial) -> None:
        self._meter.count(row)
        self._print(f"trial {row.number} {result_text(row, self._start, self._size)} [{self._meter}]")

    def answered(self, row: Trial) -> None:
        self._print(f"trial {row.number} {result_text(row, self._start, self._size)}")

    def best(self, row: Trial) -> None:
        self._print(best_text(row, self._start, self._size))

    def tick(self, running: Sequence[RunningTrial]) -> None:
        pass  # running clocks are only for a terminal

    def slept(self, seconds: float) -> None:
        self._meter.begun += seconds

    def close(self) -> None:
        pass

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveProgress:
    """Updates a table in place: the running trials with their clocks, the last finished ones, the best."""

    def __init__(
        self,
        console: Console,
        meter: ProgressMeter,
        title: str,
        start: PointValues | None = None,
        size: Metric = MACS,
    ) -> None:
        self._console = console
        self._meter = meter
        self._start = start
        self._size = size
        self._title = title
        self._notes: deque[str] = deque(maxlen=2)
        self._recent: deque[Trial] = deque(maxlen=_RECENT)
        self._best: Trial | None = None
        self._running: Sequence[RunningTrial] = ()
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4)
        self._live.start()

    def note(self, text: str) -> None:
        self._notes.append(text)

    def started(self, trial: RunningTrial) -> None:
        pass  # the next tick shows it

    def ended(self, row: Trial) -> None:
        self._meter.count(row)
        self._recent.append(row)

    def answered(self, row: Trial) -> None:
        self._recent.append(row)

    def best(self, row: Trial) -> None:
        self._best = row

    def tick(self, running: Sequence[RunningTrial]) -> None:
        self._running = running

    def slept(self, seconds: float) -> None:
        self._meter.begun += seconds

    def close(self) -> None:
        self._running = ()
        self._live.stop()

    def _render(self) -> RenderableType:
        """Return the summary, and below it as many of the latest trials as fit on the terminal."""
        console = self._console
        words = [self._title, str(self._meter), *self._notes]
        if self._best:
            words.append(best_text(self._best, self._start, self._size))
        summary = Text("\n".join(word for word in words if word))
        left = console.height - len(summary.wrap(console, console.width)) - 1
        rows = self._rows()
        table = self._table(rows)
        while len(rows) > 1 and len(console.render_lines(table)) > left:
            rows = rows[1:]
            table = self._table(rows)
        return Group(summary, table)

    def _rows(self) -> list[tuple[list[str], str | None]]:
        """Return the cells and the style of each trial, the latest last."""
        ended = [
            (_row_cells(row, self._start, self._size), "bold green" if row is self._best else None)
            for row in list(self._recent)
        ]
        return ended + [(_running_cells(trial, self._start, self._size), "cyan") for trial in self._running]

    def _table(self, rows: Sequence[tuple[list[str], str | None]]) -> Table:
        """Return the table of trials, without the columns that do not fit on the terminal."""
        console = self._console
        names = ["trial", "purpose", "candidate", self._size.unit, "accuracy", "seconds", "state"]
        shown = set(names)
        for left_out in ("", *_LEFT_OUT):
            shown -= {left_out}
            table = self._table_of(names, shown, rows)
            least = console.measure(table, options=console.options.update_width(_UNBOUNDED)).minimum
            if least <= console.width:
                break
        return table

    def _table_of(
        self, names: Sequence[str], shown: Collection[str], rows: Sequence[tuple[list[str], str | None]]
    ) -> Table:
        table = Table(expand=False)
        columns = [position for position, name in enumerate(names) if name in shown]
        for position in columns:
            name = names[position]
            if name in _FOLDED:
                table.add_column(name, overflow="fold", min_width=_LEAST_FOLDED)
                continue
            longest = max(len(name), *(len(cells[position]) for cells, _ in rows), 0)
            is_number = name in (*_NUMBERS, self._size.unit)
            table.add_column(name, justify="right" if is_number else "left", no_wrap=True, min_width=longest)
        for cells, style in rows:
            table.add_row(*(cells[position] for position in columns), style=style)
        return table


def _row_cells(row: Trial, start: PointValues | None, size: Metric) -> list[str]:
    state = row.state if row.reason is None else f"{row.state}: {row.reason}"
    if row.state == "screened":
        state = "skipped before training"
    if row.state == "pruned":
        state = pruned_text(row)
    if row.state == "duplicate":
        state += f" of {row.of_trial_number}"
    return [
        str(row.number),
        _purpose(row),
        point_text(row.point, start),
        size.number(amount_of(row, size)),
        accuracy_text(shown_accuracy(row)),
        f"{row.wall_seconds:.1f}" if row.wall_seconds else "",
        state,
    ]


def _running_cells(trial: RunningTrial, start: PointValues | None, size: Metric) -> list[str]:
    epoch = trial.latest_epoch or {}
    return [
        str(trial.row.number),
        _purpose(trial.row),
        point_text(trial.order.point, start),
        size.number(amount_of(trial.order.description, size)),
        accuracy_text(epoch.get("val_accuracy")),
        f"{trial.seconds:.1f}",
        f"on {trial.slot}" if trial.slot else "waits for a worker",
    ]


def _purpose(row: Trial) -> str:
    return row.purpose if row.purpose != "confirmation" else f"repeat of {row.of_trial_number}"


@dataclass
class ProgressMeter:
    """How much of its budgets a study has spent, in trainings and in device-hours."""

    trainings: int  # the budget
    seconds_per_training: float | None  # None for budgets in steps

    slots: int = 1
    slot_hours: float | None = None  # the budget in device-hours; None for no limit
    done: float = 0.0
    seconds: float = 0.0
    joules: float | None = 0.0
    begun: float = field(
        default_factory=time.monotonic
    )  # moved forward by the time for which the process was suspended
    of_this_run: tuple[int, float] = (0, 0.0)  # trials that ended, and the seconds they used

    def remember(self, row: Trial) -> None:
        """Count a trial that ended in an earlier run."""
        self.done += outcome.spent([row])
        self.seconds += row.slot_seconds or 0.0
        self.joules = _sum(self.joules, row.energy_joules)

    def count(self, row: Trial) -> None:
        """Count a trial that has ended now."""
        self.remember(row)
        ended, seconds = self.of_this_run
        self.of_this_run = (ended + 1, seconds + (row.slot_seconds or 0.0))

    def __str__(self) -> str:
        limit = f" of {self.slot_hours:g}" if self.slot_hours is not None else ""
        joules = f", {forecast.energy(self.joules)}" if self.joules else ""
        left = self._ahead()
        return (
            f"{self.done:.4g}/{self.trainings} trainings, {self.seconds / 3600:.3f}{limit} device-hours"
            f"{joules}, {f'{left} left' if left else 'time left not known yet'}"
        )

    def _ahead(self) -> forecast.Forecast | None:
        ended, used = self.of_this_run
        elapsed = time.monotonic() - self.begun
        so_far = forecast.Spending(self.done, self.done, self.seconds, used, ended, elapsed)
        return forecast.ahead(so_far, self.trainings, self.slot_hours, self.slots, self.seconds_per_training)


def _sum(joules: float | None, more: float | None) -> float | None:
    return None if joules is None or more is None else joules + more

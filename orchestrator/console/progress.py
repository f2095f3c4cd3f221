"""Show a running search: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from orchestrator.console.format import (
    PointValues,
    accuracy_text,
    best_text,
    point_text,
    pruned_text,
    result_text,
    short_point_text,
    shown_accuracy,
)
from orchestrator.spec.objective import Objective, amount_of, default_objective
from orchestrator.trial.context import ProgressReporter
from orchestrator.trial.outcome import count_spent
from orchestrator.trial.request import RunningTrial
from results.analysis import forecast
from results.db.tables import Study, Trial
from results.terminal import strip_escapes

_RECENT = 10  # ended trials that the live table keeps in view
_LEFT_OUT = ("purpose", "seconds", "state", "candidate")  # first, on a narrow terminal, in this order
_FOLDED = ("candidate", "state")  # words fold, numbers never
_LEAST_FOLDED = 8  # cells: narrower, words would be columns of letters
_UNBOUNDED = 1000
_NARROW = 80  # columns, below which candidates are shortened
_FEWEST_MACS = default_objective("nas")


class ReporterFactory(Protocol):
    """Opens what shows a run to a person; `open_reporter` and `BarProgress` are two."""

    def __call__(
        self,
        console: Console,
        meter: ProgressMeter,
        title: str,
        start: PointValues | None = None,
        aim: Objective = _FEWEST_MACS,
    ) -> ProgressReporter: ...


def open_reporter(
    console: Console,
    meter: ProgressMeter,
    title: str,
    start: PointValues | None = None,
    aim: Objective = _FEWEST_MACS,
) -> ProgressReporter:
    """Return what shows a run: a live table on a terminal, plain lines elsewhere. Close it when done.

    `start`: the search's start, if candidates are shown as changes of it. `aim`: tells which size and which
    score of a network are shown.
    """
    if console.is_terminal:
        return LiveProgress(console, meter, title, start, aim)
    return PlainProgress(console, meter, title, start, aim)


class ConsoleProgress(ProgressReporter):
    """What the reporters share: all are made as `open_reporter` says, and open what they show in `_open`."""

    def __init__(
        self,
        console: Console,
        meter: ProgressMeter,
        title: str = "",
        start: PointValues | None = None,
        aim: Objective = _FEWEST_MACS,
    ) -> None:
        self._console, self._meter, self._title = console, meter, title
        self._start, self._aim = start, aim
        self._open()

    def _open(self) -> None: ...

    def show_start(self, trial: RunningTrial) -> None:
        self._meter.note_belief(trial.row)

    def skip_seconds(self, seconds: float) -> None:
        self._meter.begun += seconds


class PlainProgress(ConsoleProgress):
    """Prints one line per event, for pipes and logs."""

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show_start(self, trial: RunningTrial) -> None:
        super().show_start(trial)
        point = point_text(trial.request.point, trial.request.config, self._start)
        self.note(f"trial {trial.row.number} starts: {_purpose(trial.row)}, {point}")

    def show_end(self, row: Trial) -> None:
        self._meter.count(row)
        self.note(f"trial {row.number} {result_text(row, self._start, self._aim)} [{self._meter}]")

    def show_untrained(self, row: Trial) -> None:
        self.note(f"trial {row.number} {result_text(row, self._start, self._aim)}")

    def show_best(self, row: Trial) -> None:
        self.note(best_text(row, self._start, self._aim))


class BarProgress(ConsoleProgress):
    """Shows one bar for the study, on a terminal and in a notebook."""

    def _open(self) -> None:
        self._bar = tqdm(
            total=self._meter.trainings,
            initial=self._meter.spent,
            desc=self._title,
            file=sys.stdout,
            mininterval=1.0,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.4g}/{total_fmt} [{elapsed}{postfix}]",
        )

    def note(self, text: str) -> None:
        self._bar.write(strip_escapes(text), file=sys.stdout)

    def show_end(self, row: Trial) -> None:
        self._meter.count(row)
        self._bar.n = self._meter.spent
        self._bar.refresh()

    def show_best(self, row: Trial) -> None:
        self._bar.set_postfix_str(strip_escapes(best_text(row, self._start, self._aim)))

    def tick(self, running: Sequence[RunningTrial]) -> None:
        self._bar.update(0)  # at most once a second: the elapsed time goes on

    def close(self) -> None:
        self._bar.close()


class LiveProgress(ConsoleProgress):
    """Updates a table in place: the running trials with their clocks, the last finished ones, the best."""

    def _open(self) -> None:
        self._notes: deque[str] = deque(maxlen=2)
        self._recent: deque[Trial] = deque(self._meter.earlier[-_RECENT:], maxlen=_RECENT)
        self._best: Trial | None = None
        self._running: Sequence[RunningTrial] = ()
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4)
        self._live.start()

    def note(self, text: str) -> None:
        self._notes.append(text)

    def show_end(self, row: Trial) -> None:
        self._meter.count(row)
        self._recent.append(row)

    def show_untrained(self, row: Trial) -> None:
        self._recent.append(row)

    def show_best(self, row: Trial) -> None:
        self._best = row

    def tick(self, running: Sequence[RunningTrial]) -> None:
        self._running = running

    def close(self) -> None:
        self._running = ()
        self._live.stop()

    def _render(self) -> RenderableType:
        """Return the summary, and below it as many of the latest trials as fit on the terminal."""
        console = self._console
        words = [self._title, str(self._meter), *self._notes]
        if self._best:
            words.append(best_text(self._best, self._start, self._aim))
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
            (_row_cells(row, self._point, self._aim), "bold green" if row is self._best else None)
            for row in list(self._recent)
        ]
        return ended + [(_running_cells(trial, self._point, self._aim), "cyan") for trial in self._running]

    def _point(self, row: Trial) -> str:
        """Return a trial's candidate as its column shows it, shorter on a narrow terminal."""
        is_narrow = self._console.width < _NARROW
        if is_narrow:
            return short_point_text(row.point, row.config)
        return point_text(row.point, row.config, self._start)

    def _table(self, rows: Sequence[tuple[list[str], str | None]]) -> Table:
        """Return the table of trials, without the columns that do not fit on the terminal."""
        console = self._console
        for count in range(len(_LEFT_OUT) + 1):
            table = self._table_without(_LEFT_OUT[:count], rows)
            least = console.measure(table, options=console.options.update_width(_UNBOUNDED)).minimum
            if least <= console.width:
                break
        return table

    def _table_without(
        self, left_out: Collection[str], rows: Sequence[tuple[list[str], str | None]]
    ) -> Table:
        table = Table(expand=False)
        size, score = self._aim.told.unit, self._aim.sought.noun
        names = ["trial", "purpose", "candidate", size, score, "seconds", "state"]
        is_sized = not rows or any(cells[names.index(size)] for cells, _ in rows)  # a script tells no sizes
        left_out = [*left_out, *([] if is_sized else [size])]
        columns = [position for position, name in enumerate(names) if name not in left_out]
        for position in columns:
            name = names[position]
            if name in _FOLDED:
                table.add_column(name, overflow="fold", min_width=_LEAST_FOLDED)
                continue
            longest = max(len(name), *(len(cells[position]) for cells, _ in rows), 0)
            is_number = name in (size, score, "seconds")
            table.add_column(name, justify="right" if is_number else "left", no_wrap=True, min_width=longest)
        for cells, style in rows:
            table.add_row(*(cells[position] for position in columns), style=style)
        return table


def _row_cells(row: Trial, shown: Callable[[Trial], str], aim: Objective) -> list[str]:
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
        shown(row),
        aim.told.number(amount_of(row, aim.told)),
        accuracy_text(shown_accuracy(row), aim.sought),
        f"{row.wall_seconds:.1f}" if row.wall_seconds else "",
        state,
    ]


def _running_cells(trial: RunningTrial, shown: Callable[[Trial], str], aim: Objective) -> list[str]:
    return [
        str(trial.row.number),
        _purpose(trial.row),
        shown(trial.row),
        aim.told.number(amount_of(trial.request.description, aim.told) or None),
        accuracy_text(trial.latest_epoch.get(aim.sought.field), aim.sought),
        f"{trial.seconds:.1f}",
        f"on {trial.slot}" if trial.slot else "waits for a worker",
    ]


def _purpose(row: Trial) -> str:
    return row.purpose if row.purpose != "confirmation" else f"repeat of {row.of_trial_number}"


def start_meter(
    study: Study, seconds_per_training: float | None, slots: int, recorded: Sequence[Trial]
) -> ProgressMeter:
    """Return the meter of a run. `recorded`: the trials of earlier runs, those that were trained count."""
    meter = ProgressMeter(study.budget_trials, seconds_per_training, slots, study.budget_slot_hours)
    for row in recorded:
        if row.state in ("completed", "failed", "pruned"):
            meter.remember(row)
            meter.earlier.append(row)
    return meter


@dataclass
class ProgressMeter:
    """How much of its budgets a study has spent, in trainings and in device-hours."""

    trainings: int  # the budget
    seconds_per_training: float | None  # None for budgets in steps
    slots: int = 1
    slot_hours: float | None = None  # the budget in device-hours; None for no limit

    def __post_init__(self) -> None:
        self.begun = time.monotonic()  # moved forward by the time for which the process was suspended
        self._done, self._seconds = 0.0, 0.0
        self._joules: float | None = 0.0  # None if some were not measured
        self._ended_now, self._seconds_now = 0, 0.0  # of this run
        self.earlier: list[Trial] = []  # that ended in earlier runs
        self._latest = 0  # the trial that the solver chose last by a model
        self._saving: float | None = None  # that it expected then

    @property
    def spent(self) -> float:
        """How many trainings of the budget are used."""
        return self._done

    def remember(self, row: Trial) -> None:
        """Count a trial that ended in an earlier run."""
        self._done += count_spent([row])
        self._seconds += row.slot_seconds or 0.0
        self.note_belief(row)
        is_known = self._joules is not None and row.energy_joules is not None
        self._joules = (self._joules or 0.0) + (row.energy_joules or 0.0) if is_known else None

    def note_belief(self, row: Trial) -> None:
        """Show what the solver believed when it chose a trial, unless it chose a later one since."""
        if row.number > self._latest and row.belief is not None:
            self._latest, self._saving = row.number, forecast.expected_saving(row.belief)

    def count(self, row: Trial) -> None:
        """Count a trial that has ended now."""
        self.remember(row)
        self._ended_now += 1
        self._seconds_now += row.slot_seconds or 0.0

    def __str__(self) -> str:
        limit = f" of {self.slot_hours:g}" if self.slot_hours is not None else ""
        joules = f", {forecast.energy(self._joules)}" if self._joules else ""
        left, saving = self._forecast(), forecast.saving_text(self._saving)
        saving = f", {saving}" if saving else ""
        return (
            f"{self._done:.4g}/{self.trainings} trainings, {self._seconds / 3600:.3f}{limit} device-hours"
            f"{joules}, {f'{left} left' if left else 'time left not known yet'}{saving}"
        )

    def _forecast(self) -> forecast.Forecast | None:
        elapsed = time.monotonic() - self.begun
        so_far = forecast.Spending(
            self._done, self._done, self._seconds, self._seconds_now, self._ended_now, elapsed
        )
        return forecast.ahead(so_far, self.trainings, self.slot_hours, self.slots, self.seconds_per_training)

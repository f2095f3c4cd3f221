"""A small plot of size against accuracy, in characters, for the end of a search on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.console.format import accuracy_text
from orchestrator.spec.objective import Objective, amount_of
from results.db.tables import Trial

FEWEST, _ROWS, _MOST_COLUMNS, _LEAST_COLUMNS = 5, 10, 64, 20
_TRAINED, _BASE, _FOUND, _REQUIRED = "·", "B", "*", "-"
_CUT = 0.1  # of the networks, the least accurate, share the lowest row: else they would flatten all others


@dataclass(frozen=True)
class _Dot:
    size: float
    accuracy: float
    mark: str


def size_plot(
    rows: Sequence[Trial],
    aim: Objective,
    known: Mapping[int, float],
    required: float | None,
    found: int | None,
    width: int,
) -> list[str]:
    """Return the lines of the plot; none with fewer than FEWEST networks or too little room.

    known: the accuracy of each network, a fraction, by its first trial; required: the required one; found:
    the number of the trial named; width: of the terminal
    """
    dots = _dots(rows, aim, known, found)
    columns = min(_MOST_COLUMNS, width - 12)
    sizes = [dot.size for dot in dots]
    if len(dots) < FEWEST or columns < _LEAST_COLUMNS or min(sizes) == max(sizes):
        return []
    reached = sorted(dot.accuracy for dot in dots)
    low, high = reached[int(_CUT * len(reached))], reached[-1]
    if required is not None:
        low, high = min(low, required), max(high, required)
    if low == high:
        return []
    grid = [[" "] * columns for _ in range(_ROWS)]

    def row_of(accuracy: float) -> int:
        return round((1 - max(0.0, (accuracy - low) / (high - low))) * (_ROWS - 1))

    if required is not None:
        grid[row_of(required)] = [_REQUIRED] * columns
    for dot in dots:  # the base and the network found last, so that nothing hides them
        column = round((dot.size - min(sizes)) / (max(sizes) - min(sizes)) * (columns - 1))
        grid[row_of(dot.accuracy)][column] = dot.mark
    ends = {0: accuracy_text(high), _ROWS - 1: accuracy_text(low)}
    lines = [f"{ends.get(place, ''):>8} |{''.join(cells)}" for place, cells in enumerate(grid)]
    least, most = aim.told.text(min(sizes)), aim.told.text(max(sizes))
    lines.append(f"{'':>8}  {least}{most:>{columns - len(least)}}")
    told = f"{_BASE} base, {_FOUND} found, {_TRAINED} other networks trained"
    told += f", {_REQUIRED} required" if required is not None else ""
    return [*lines, *textwrap.wrap(told, width)]


def _dots(rows: Sequence[Trial], aim: Objective, known: Mapping[int, float], found: int | None) -> list[_Dot]:
    """Return a dot for each network trained to the end, the base and the one found last."""
    dots = []
    for row in rows:
        size, reached = amount_of(row, aim.told), known.get(row.number)
        if size is not None and reached is not None:
            mark = _BASE if row.purpose == "baseline" else _FOUND if row.number == found else _TRAINED
            dots.append(_Dot(size, reached, mark))
    return sorted(dots, key=lambda dot: (_TRAINED, _BASE, _FOUND).index(dot.mark))

"""Lines in panels, drawn as SVG by hand: a plot that a repository can hold and a diff can show."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, TOP, GAP, LEGEND = 330, 240, 44, 34, 56, 170
COLOURS = {
    "nomad": "#0b63c5",
    "nomad of version 1": "#7fb2ea",
    "nomad without poll": "#b8d4f2",
    "nomad without search": "#9a9a9a",
    "tpe": "#d1495b",
    "gp": "#7b4ab5",
    "local": "#2a9d5c",
    "cmaes": "#e08e2b",
    "random": "#555555",
}


@dataclass(frozen=True)
class Line:
    """A named line through points (x, y) of rising x; one that is not finite is left out."""

    name: str
    points: Sequence[tuple[float, float]]
    is_staircase: bool = True  # whether a value holds until the next one; else the points alone are known


@dataclass(frozen=True)
class Panel:
    """Lines over trainings from 0 to 100; `range` is the y axis's."""

    title: str
    lines: Sequence[Line]
    range: tuple[float, float]


def drawn(panels: Sequence[Panel]) -> str:
    """The panels side by side, and a legend of every line's name."""
    width = LEFT + len(panels) * (WIDTH + GAP) + LEGEND
    height = TOP + HEIGHT + 44
    names = [name for name in COLOURS if any(line.name == name for p in panels for line in p.lines)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for position, panel in enumerate(panels):
        parts += _panel(panel, LEFT + position * (WIDTH + GAP))
    for position, name in enumerate(names):
        x, y = width - LEGEND - GAP / 2, TOP + 14 + 20 * position
        parts.append(f'<path d="M{x:g} {y - 4:g}h22" stroke="{COLOURS[name]}" stroke-width="2.5"/>')
        parts.append(f'<text x="{x + 28:g}" y="{y:g}">{html.escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, left: float) -> list[str]:
    low, high = panel.range
    parts = [f'<text x="{left}" y="{TOP - 14}" font-weight="bold">{html.escape(panel.title)}</text>']
    for step in range(6):
        value, y = low + (high - low) * step / 5, TOP + HEIGHT * (1 - step / 5)
        parts.append(f'<path d="M{left} {y:g}h{WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:g}" text-anchor="end">{value:.2f}</text>')
    for trainings in (0, 25, 50, 75, 100):
        x = left + WIDTH * trainings / 100
        parts.append(f'<text x="{x:g}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{trainings}</text>')
    parts.append(
        f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 36}" text-anchor="middle">trainings</text>'
    )
    ordered = sorted(panel.lines, key=lambda line: [*COLOURS].index(line.name), reverse=True)
    return parts + [_path(line, panel, left) for line in ordered]


def _path(line: Line, panel: Panel, left: float) -> str:
    """A staircase, or straight lines between points that are marked; above the panel it is left out."""
    low, high = panel.range
    places = [
        (left + WIDTH * x / 100, TOP + HEIGHT * (1 - (y - low) / (high - low)))
        for x, y in line.points
        if math.isfinite(y) and y <= high
    ]
    across, down = ("H", "V") if line.is_staircase else ("L", " ")
    steps = [
        f"{'M' if not n else across}{x:.1f}{' ' if not n else down}{y:.1f}" for n, (x, y) in enumerate(places)
    ]
    colour, thick = COLOURS[line.name], 2.5 if line.name == "nomad" else 1.5
    path = f'<path d="{"".join(steps)}" fill="none" stroke="{colour}" stroke-width="{thick}"/>'
    marks = (
        ""
        if line.is_staircase
        else "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{thick + 1}" fill="{colour}"/>' for x, y in places
        )
    )
    return path + marks

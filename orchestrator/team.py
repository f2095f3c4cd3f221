"""Replicates trained together by one process, which may stack them, and what of its lines is whose.

The process writes one file, each line with the number of its trial; a trial is recorded from a file of
its own, which is cut out of the other when the process has ended, or by the run after one that was
killed. What a process of several did not end by itself is trained again alone: so nothing is blamed
for what another one did, and a trainer that takes no more than one configuration is only slow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator import outcome, report
from orchestrator.executors import Exit
from orchestrator.order import Order

METRICS = "metrics.jsonl"  # a trial's own lines
LINES, SHARE = "stack.jsonl", "stack.json"  # those of several trials; which of them a folder's trial is


def teams(orders: Sequence[Order], size: int) -> list[tuple[Order, ...]]:
    """Return the orders in teams of at most `size`, whose configurations differ in seeds and images alone."""
    alike: dict[str, list[Order]] = {}
    for order in orders:
        alike.setdefault(json.dumps(_but_for_its_draw(order.config), sort_keys=True), []).append(order)
    formed = [
        tuple(group[first : first + size]) for group in alike.values() for first in range(0, len(group), size)
    ]
    return sorted(formed, key=lambda team: orders.index(team[0]))


def share_out(folders: Sequence[Path]) -> Path:
    """Return the file for the lines of all trials; each one's folder is told which will be its own."""
    if len(folders) == 1:
        return folders[0] / METRICS
    lines = folders[0] / LINES
    for number, folder in enumerate(folders):
        whose = {"lines": os.path.relpath(lines, folder), "trial": number, "of": len(folders)}
        (folder / SHARE).write_text(json.dumps(whose) + "\n")
    return lines


def take_share(folder: Path) -> None:
    """Cut the lines of the trial in `folder` out of its team's; nothing where it was trained alone."""
    path, trial = place(folder)
    if trial is None or not path.exists():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    new = folder / "metrics.new"
    new.write_text("\n".join(line for line in lines if _is_of(line, trial)), encoding="utf-8")
    os.replace(new, folder / METRICS)


def place(folder: Path) -> tuple[Path, int | None]:
    """Return where the lines of the trial in `folder` are written, and its number there, None where alone."""
    whose = _share(folder)
    return (folder / METRICS, None) if whose is None else (folder / whose[0], whose[1])


def one_of(end: Exit, count: int) -> Exit:
    """Return the exit of a process of `count` trials with one's share of what it used."""
    joules = None if end.energy_joules is None else end.energy_joules / count
    return replace(end, wall_seconds=end.wall_seconds / count, energy_joules=joules)


def sharing(folder: Path) -> int:
    """Return how many trials the process of the one in `folder` trained."""
    whose = _share(folder)
    return 1 if whose is None else whose[2]


def own_end(end: Exit, metrics: Path, count: int) -> Exit | None:
    """Return how one of `count` trials ended, as its own lines say; None where they say nothing of it."""
    try:
        events = report.read(metrics)
    except report.MalformedReport:
        return None
    share = replace(one_of(end, count), reason="exited")
    if events.last("final"):
        return replace(share, code=0)
    failure = events.last("error")
    code = outcome.EXIT_CODES.get(str(failure.get("reason"))) if failure else None
    return None if code is None else replace(share, code=code)


def _share(folder: Path) -> tuple[str, int, int] | None:
    """Where the trial's lines are, its number there, and of how many; None where it was trained alone.

    None as well for a file that a power cut has torn.
    """
    try:
        whose = json.loads((folder / SHARE).read_text())
        lines, trial, of = whose["lines"], whose["trial"], whose["of"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    is_whole = isinstance(lines, str) and type(trial) is int and type(of) is int and 0 <= trial < of
    return (lines, trial, of) if is_whole and "\0" not in lines else None


def _but_for_its_draw(config: Any) -> dict[str, Any]:
    images = {name: value for name, value in config["subset"].items() if name not in ("seed", "part")}
    return {**config, "seed": None, "subset": images}


def _is_of(line: str, trial: int) -> bool:
    """A line that is no JSON may be anybody's."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return True
    return not isinstance(event, dict) or event.get("trial") == trial

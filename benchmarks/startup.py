"""How long the commands take to start: those of this checkout and those of an earlier one, in turn.

    python benchmarks/startup.py --before PATH [--repeats 5] [--out FILE.json]

PATH is a checkout of the earlier commit, as `git worktree add PATH COMMIT` makes it. Both run in this Python,
on a study of twenty trials that each has made with its own fake trainer. Every command runs once in each
round, after a round that is not counted. Processor seconds are user and system, of the command and of the
processes that it starts. Modules are those in the command's own process at its end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from _setting import setting
from rich.console import Console
from rich.table import Table

DISTRIBUTIONS = ("nomad-nas", "torch", "typer", "rich", "sqlalchemy", "pandas", "optuna", "scipy")
ROOT = Path(__file__).resolve().parents[1]
STUDY = "nas-senet18-fake"
IMPORT_TORCH = "import torch"
HELP, LIST, PLAN = "nas-search --help", "nas-results list", "nas-search --base senet18 --demo --plan"
PROGRAMS = ("import orchestrator", IMPORT_TORCH)
COMMANDS = (HELP, LIST, PLAN, "nas-results doctor", f"nas-results report {STUDY}")
COUNT_MODULES = "import atexit; atexit.register(lambda: open('modules', 'w').write(str(len(sys.modules))))"


@dataclass(frozen=True)
class Run:
    """One run of a command."""

    wall_seconds: float
    cpu_seconds: float
    modules: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--before", type=Path, required=True, help="checkout of the earlier commit")
    parser.add_argument("--repeats", type=int, default=5, help="of each command in each checkout")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "startup.json")
    asked = parser.parse_args()
    checkouts = {"before": asked.before.resolve(), "after": ROOT}
    commits = {name: _commit(checkout) for name, checkout in checkouts.items()}
    report = setting(DISTRIBUTIONS) | {"commits": commits, "repeats": asked.repeats}
    runs = _measure(checkouts, asked.repeats)
    medians = {command: {name: _median(its) for name, its in by.items()} for command, by in runs.items()}
    report |= {
        "median": {
            command: {name: asdict(run) for name, run in by.items()} for command, by in medians.items()
        },
        "ratios": _ratios(medians),
        "values": {
            command: {name: [asdict(run) for run in its] for name, its in by.items()}
            for command, by in runs.items()
        },
        "load_average_after": list(os.getloadavg()),
    }
    console = Console(width=140)
    console.print(_table(medians, asked.repeats))
    console.print_json(data=report["ratios"])
    asked.out.write_text(json.dumps(report, indent=1) + "\n")


def _commit(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _measure(checkouts: dict[str, Path], repeats: int) -> dict[str, dict[str, list[Run]]]:
    runs: dict[str, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as parent:
        folders = {name: Path(parent, name) for name in checkouts}
        for name, checkout in checkouts.items():
            folders[name].mkdir()
            _search(checkout, folders[name])
        for number in range(repeats + 1):
            for command in (*PROGRAMS, *COMMANDS):
                for name in sorted(checkouts, reverse=number % 2 == 0):
                    run = _run(checkouts[name], folders[name], command)
                    if number > 0:
                        runs[command][name].append(run)
    return runs


def _search(checkout: Path, folder: Path) -> None:
    """Make the study that the commands read, with the checkout's own fake trainer."""
    trainer = f"{sys.executable} {checkout / 'tests' / 'fake_trainer.py'}"
    words = ["nas-search", "--base", "senet18", "--data", "fake:", "--budget", "10steps", "--trials", "20"]
    words += ["--device", "cpu", "--solver", "random", "--seed", "1", "--study", STUDY, "--trainer", trainer]
    _start(checkout, folder, _program(checkout, words))


def _run(checkout: Path, folder: Path, command: str) -> Run:
    program = command if command in PROGRAMS else _program(checkout, command.split())
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    _start(checkout, folder, program)
    wall_seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall_seconds, cpu_seconds, int((folder / "modules").read_text()))


def _program(checkout: Path, words: list[str]) -> str:
    """Return what the installed command does, for a checkout that is not installed."""
    scripts = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts[words[0]].partition(":")
    return f"sys.argv = {words!r}; from {module} import {function}; {function}()"


def _start(checkout: Path, folder: Path, program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; {COUNT_MODULES}\n{program}"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{program}\nends with {done.returncode}:\n{done.stdout}\n{done.stderr}")


def _median(runs: list[Run]) -> Run:
    return Run(
        round(statistics.median(run.wall_seconds for run in runs), 3),
        round(statistics.median(run.cpu_seconds for run in runs), 3),
        round(statistics.median(run.modules for run in runs)),
    )


def _ratios(medians: dict[str, dict[str, Run]]) -> dict[str, dict[str, float]]:
    """Return the seconds of this checkout over those that they are compared with."""
    ratios = {}
    for unit in ("wall_seconds", "cpu_seconds"):
        before, after = (
            {one: asdict(by[name])[unit] for one, by in medians.items()} for name in ("before", "after")
        )
        compared = {
            "help / help before": after[HELP] / before[HELP],
            "list / list before": after[LIST] / before[LIST],
            "plan / plan before": after[PLAN] / before[PLAN],
            "import orchestrator / help before": after["import orchestrator"] / before[HELP],
            "plan less 1 s / import torch": (after[PLAN] - 1) / after[IMPORT_TORCH],
        }
        ratios[unit] = {name: round(ratio, 3) for name, ratio in compared.items()}
    return ratios


def _table(medians: dict[str, dict[str, Run]], repeats: int) -> Table:
    table = Table(title=f"medians of {repeats}: before -> after", title_justify="left")
    table.add_column("command")
    for column in ("wall, s", "processor, s", "modules"):
        table.add_column(column, justify="right")
    for command, by in medians.items():
        before, after = by["before"], by["after"]
        table.add_row(
            command,
            f"{before.wall_seconds:.2f} -> {after.wall_seconds:.2f}",
            f"{before.cpu_seconds:.2f} -> {after.cpu_seconds:.2f}",
            f"{before.modules} -> {after.modules}",
        )
    return table


if __name__ == "__main__":
    main()

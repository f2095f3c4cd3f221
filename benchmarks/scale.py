"""What a search takes beside its trainings with very many of them in flight, and with very many on record.

    python benchmarks/scale.py [--flights 1,8,64,512,4096] [--recorded 100000] [--out FILE.json]

In flight: trainings that take no time on slots that do not exist, so that all that is measured is ours; each
arm is a process of its own. On record: how long the study takes to be resumed, listed, shown and reported.
Seconds of the processor stand beside or instead of the clock's, which depend on what else runs.
A thread a trial in flight: the limit of processes (ulimit -u) must allow for that.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _fleet import Fleet, opened, search
from _grown import commanded, looked_at, resumed, write
from _setting import setting

from results.db.store import Store

DISTRIBUTIONS = ("nomad-nas", "sqlalchemy", "pandas", "plotly")
MORE = 8  # trainings beyond those on record
COMMANDS = "list,show s,best s,trials s,report s"


def main() -> None:
    asked = _arguments()
    if asked.arm:
        print(json.dumps(_in_flight(asked.arm, asked.trials)))
        return
    if asked.resume:
        found = resumed(asked.resume, int(asked.recorded), MORE)
        print(json.dumps(found | {"megabytes": _megabytes()}))
        return
    measured = setting(DISTRIBUTIONS) | {"in_flight": [], "on_record": []}
    for slots in _numbers(asked.flights):
        trials = max(asked.fewest, slots if slots > 1000 else 2 * slots)
        measured["in_flight"].append(_apart("--arm", str(slots), "--trials", str(trials)))
        print(json.dumps(measured["in_flight"][-1]), flush=True)
    for trials in _numbers(asked.recorded):
        measured["on_record"].append(_on_record(trials, asked.commands.split(",")))
        print(json.dumps(measured["on_record"][-1]), flush=True)
    measured["load_average_after"] = list(os.getloadavg())
    if asked.out:
        asked.out.write_text(json.dumps(measured, indent=1) + "\n")


def _in_flight(slots: int, trials: int) -> dict[str, Any]:
    """Run a search of `trials` on so many slots in this process."""
    before = _megabytes()
    fleet = Fleet(slots)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store(folder / "results.db") as store:
            study = opened(store, trials, slots)
            with search(store, study, fleet, folder, trials, []) as (searching, _):
                began, busy = time.perf_counter(), time.process_time()
                searching.run()
                seconds, busy = time.perf_counter() - began, time.process_time() - busy
            ended = sum(row.state == "completed" for row in store.trials(study.id))
        size = sum(file.stat().st_size for file in folder.glob("results.db*"))
    return {
        "slots": slots,
        "trials": trials,
        "completed": ended,
        "ms_per_trial": 1000 * seconds / trials,
        "cpu_ms_per_trial": 1000 * busy / trials,
        "writes_per_second": 2 * trials / seconds,  # a transaction before a training, and one after it
        "megabytes": _megabytes(),
        "megabytes_before": before,
        "threads": fleet.most_threads,
        "database_bytes_per_trial": size / trials,
    }


def _on_record(trials: int, commands: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        db = str(folder / "results.db")
        write(db, trials)
        found: dict[str, Any] = {"recorded": trials, "database_megabytes": os.path.getsize(db) / 1e6}
        found |= looked_at(db)
        for words in commands:
            found[words.split()[0]] = commanded(db, folder, *words.split())
        if (folder / "s.html").exists():
            found["report_page_megabytes"] = (folder / "s.html").stat().st_size / 1e6
        found["resume"] = _apart("--resume", str(folder), "--recorded", str(trials))
    return found


def _apart(*words: str) -> dict[str, Any]:
    """Run this program with other words, and return what it printed."""
    command = [sys.executable, __file__, *words]
    try:
        printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800).stdout
    except subprocess.TimeoutExpired:
        return {"not_ended_in_seconds": 1800}
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if word]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--flights", default="1,8,64,512,4096", help="trials in flight, with commas")
    parser.add_argument("--fewest", type=int, default=64, help="trials of an arm of few slots")
    parser.add_argument("--recorded", default="20000,100000", help="trials on record, with commas")
    parser.add_argument("--commands", default=COMMANDS, help="of nas-results, with commas")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--arm", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--trials", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--resume", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

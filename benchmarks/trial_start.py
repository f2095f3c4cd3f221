"""How long a training takes to its first plan and its end: as a process of its own, and as a fork of a host.

    python benchmarks/trial_start.py [--repeats 7] [--device cpu] [--out FILE.json]

The configuration is the demo base network, for two steps. Both ways take turns, one training at a time,
after one of each that is not counted: files are cached then, and the host is there. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, closing
from pathlib import Path

from _setting import setting
from _training import NEWEST
from rich.console import Console
from rich.table import Table

from orchestrator.executors import Executor, Job, local

DISTRIBUTIONS = ("nomad-nas", "torch", "torchvision", "numpy")
TRAINER = (sys.executable, "-P", "-m", "trainer")
CONFIG = {
    "protocol": 1,
    "model": "senet18",
    "scale": {"width": 0.25},
    "dataset": "digits",
    "subset": {"train": 4000, "validation": 1000, "seed": 0},
    "versions": NEWEST,
    "hyperparameters": {"batch_size": 64},
    "budget": {"steps": 2},
    "seed": 0,
}
EVENTS = ("model", "plan", "final")
POLL_SECONDS = 0.002

Seconds = dict[str, float]  # to each event, and to the end of the process


def main() -> None:
    asked = _arguments()
    console = Console(width=120)
    report = setting(DISTRIBUTIONS) | {"device": asked.device, "repeats": asked.repeats, "config": CONFIG}
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        opened = {"process": local.create(asked.device, slots=1)}
        opened["host"] = local.create(asked.device, slots=1, trainer=TRAINER)
        for executor in opened.values():
            stack.enter_context(closing(executor))
        values = _measured(opened, asked.repeats, asked.device, Path(folder))
    medians = {
        way: {event: statistics.median(all_) for event, all_ in v.items()} for way, v in values.items()
    }
    report |= {"median": medians, "values": values, "load_average_after": list(os.getloadavg())}
    console.print(_table(medians, asked.repeats))
    asked.out.write_text(json.dumps(report, indent=1) + "\n")
    console.print(f"written to {asked.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7, help="of each way")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "trial_start.json")
    return parser.parse_args()


def _measured(
    opened: dict[str, Executor], repeats: int, device: str, folder: Path
) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {way: defaultdict(list) for way in opened}
    for repeat in range(repeats + 1):
        ways = list(opened)
        for way in ways if repeat % 2 else reversed(ways):
            for event, seconds in _timed(opened[way], device, folder, way).items():
                if repeat > 0:
                    found[way][event].append(seconds)
    return found


def _timed(executor: Executor, device: str, folder: Path, way: str) -> Seconds:
    """Run one training, and note when each event could be read."""
    (folder / "trial.json").write_text(json.dumps(CONFIG | {"device": device}))
    command = (*TRAINER, "train", "--config", str(folder / "trial.json"))
    job = Job(command, folder, folder / "out", folder / "err", timeout_seconds=300.0)
    (folder / "out").unlink(missing_ok=True)
    seconds: Seconds = {}
    began = time.monotonic()
    running = threading.Thread(target=executor.run, args=(job, threading.Event()))
    running.start()
    while running.is_alive():
        _note(seconds, folder / "out", began)
        running.join(POLL_SECONDS)
    seconds["end"] = time.monotonic() - began
    _note(seconds, folder / "out", began)
    _check(folder, way)
    return seconds


def _note(seconds: Seconds, out: Path, began: float) -> None:
    text = out.read_text() if out.exists() else ""
    for event in EVENTS:
        if f'"event": "{event}"' in text:
            seconds.setdefault(event, time.monotonic() - began)


def _check(folder: Path, way: str) -> None:
    text = (folder / "out").read_text()
    if f'"started": "{way}"' not in text or '"event": "final"' not in text:
        raise SystemExit(f"not a whole training started by a {way}:\n{text}\n{(folder / 'err').read_text()}")


def _table(medians: dict[str, Seconds], repeats: int) -> Table:
    table = Table(title=f"seconds to an event, medians of {repeats}", title_justify="left")
    table.add_column("")
    for event in (*EVENTS, "end"):
        table.add_column(event, justify="right")
    for way, values in medians.items():
        table.add_row(way, *(f"{values[event]:.3g}" for event in (*EVENTS, "end")))
    return table


if __name__ == "__main__":
    main()

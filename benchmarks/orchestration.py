"""What a trial costs beside its training, how fast a record is replayed, how idle blocks leave the slots.

    python benchmarks/orchestration.py [--trials 40] [--repeats 3] [--out FILE.json]

Every repeat runs all arms once, in an order that moves on by one from repeat to repeat, so that what else the
machine does falls on all of them. Figures are medians of the repeats. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from _arms import bare, idle_share, optunas, ours, replayed
from _setting import setting
from rich.console import Console
from rich.table import Table

DISTRIBUTIONS = ("nomad-nas", "PyNomadBBO", "optuna", "sqlalchemy")
BLOCKS = (1, 2, 4)
FLOOR = "process alone"
ROUNDS = {"overhead": 3, "loop": 3, "replay": 1, "idle": 1}  # times --repeats: milliseconds need more of them
SLEEP_SECONDS = 0.5  # the mean; real trials last minutes, so the gaps between them weigh less
REPLAYED_TRIALS = 100

Arm = Callable[[Path], dict[str, float]]
Values = dict[str, dict[str, list[float]]]  # arm -> measure -> one value a repeat


def main() -> None:
    asked = _arguments()
    console = Console(width=120)
    report: dict[str, Any] = setting(DISTRIBUTIONS) | {"trials": asked.trials, "repeats": asked.repeats}
    report |= {"replayed_trials": REPLAYED_TRIALS, "sleep_seconds": SLEEP_SECONDS}
    for name, arms in _experiments(asked.solvers.split(","), asked.trials).items():
        repeats = asked.repeats * ROUNDS[name]
        values = _measured(arms, repeats, console)
        if name == "overhead":
            _take_off_the_floor(values)
        medians = {arm: {m: statistics.median(v) for m, v in found.items()} for arm, found in values.items()}
        report[name] = {"median": medians, "values": values}
        console.print(_table(f"{name} (medians of {repeats})", medians))
    report["load_average_after"] = list(os.getloadavg())
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=1) + "\n")
    console.print(f"written to {asked.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=40, help="trainings of each study")
    parser.add_argument("--repeats", type=int, default=3, help="of everything")
    parser.add_argument("--solvers", default="random,tpe,nomad", help="comma-separated")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "orchestration.json")
    return parser.parse_args()


def _experiments(solvers: Sequence[str], trials: int) -> dict[str, dict[str, Arm]]:
    """Return the arms of each table.

    Overhead: a trial's seconds from the first one's start to the last one's end, on one slot, and how many
    of them are beyond the floor, the process alone. Optuna has no NOMAD. The loop: the same with the trainer
    inside our process, which leaves the study loop and the database.
    """
    overhead: dict[str, Arm] = {FLOOR: partial(bare, trials=trials)}
    overhead |= {f"ours, {name}": partial(ours, trials=trials, solver=name) for name in solvers}
    peers = [name for name in solvers if name != "nomad"]
    overhead |= {f"Optuna, {name}": partial(optunas, trials=trials, solver=name) for name in peers}
    replay: dict[str, Arm] = {n: partial(replayed, trials=REPLAYED_TRIALS, solver=n) for n in solvers}
    idle: dict[str, Arm] = {
        f"{name}, {block} slots": partial(
            idle_share, trials=trials, solver=name, block=block, sleep_seconds=SLEEP_SECONDS
        )
        for name in solvers
        for block in BLOCKS
    }
    loop: dict[str, Arm] = {
        f"ours, {name}": partial(ours, trials=trials, solver=name, executor="inline") for name in solvers
    }
    return {"overhead": overhead, "loop": loop, "replay": replay, "idle": idle}


def _measured(arms: dict[str, Arm], repeats: int, console: Console) -> Values:
    found: Values = {name: defaultdict(list) for name in arms}
    names = list(arms)
    for repeat in range(repeats):
        turn = repeat % len(names)
        for name in names[turn:] + names[:turn]:
            console.print(f"repeat {repeat + 1}: {name}", style="dim")
            with tempfile.TemporaryDirectory() as folder:
                for measure, value in arms[name](Path(folder)).items():
                    found[name][measure].append(value)
    return found


def _take_off_the_floor(values: Values) -> None:
    """Add what each arm costs a trial beyond the bare process of the same repeat."""
    floor = values[FLOOR]["seconds_per_trial"]
    for measures in values.values():
        pairs = zip(measures["seconds_per_trial"], floor, strict=True)
        measures["beyond_process"] = [seconds - bare_seconds for seconds, bare_seconds in pairs]


def _table(title: str, medians: dict[str, dict[str, float]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    measures = list(next(iter(medians.values())))
    for measure in measures:
        table.add_column(measure.replace("_", " "), justify="right")
    for arm, values in medians.items():
        table.add_row(arm, *(f"{values[measure]:.4g}" for measure in measures))
    return table


if __name__ == "__main__":
    main()

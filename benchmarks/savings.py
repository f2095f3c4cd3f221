"""What a search spends on its way, with and without what saves trainings: real trainings of the demo.

Each arm is the same `nas-search` but for what is switched off in this process: `screening` trains what
cannot win, `keys` trains a network again that is on record, `early stop` trains hopeless networks to their
end. An arm has arrived once it has confirmed a network of no more MACs than the largest that any arm ended
with. Budgets are in steps, so that a training comes out the same in every arm, however busy the machine is.

    python benchmarks/savings.py --trials 40 --seeds 2 --out benchmarks/results/savings.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

from _setting import setting
from rich.console import Console
from rich.table import Table

from orchestrator import pruners
from orchestrator.search.context import TrialHistory
from orchestrator.spec import search_options
from orchestrator.spec.formulation import Formulation
from orchestrator.study.run import run_study
from orchestrator.trial.outcome import count_spent
from results.db.store import Store
from results.db.tables import Trial

ARMS = {
    "all on": (),
    "no early stop": ("early stop",),
    "no screening": ("screening",),
    "no keys": ("keys",),
    "none of them": ("early stop", "screening", "keys"),
}


SMALL = {"base_width": 0.125, "train_images": 2000}  # seconds a training, and several measurements in it


@dataclass(frozen=True)
class Spent:
    """What one search did. `path`: [trainings spent, MACs] at each network that it confirmed."""

    arm: str
    seed: int
    spent: float
    screened: int
    duplicates: int
    pruned: int
    path: list[tuple[float, int]]
    hours: float  # of one slot

    def arrived(self, macs: int) -> float | None:
        """Return the trainings spent when a network of at most `macs` was confirmed, if one was."""
        return next((at for at, found in self.path if found <= macs), None)


def main() -> None:
    asked = _arguments()
    runs = [searched(arm, seed, asked.trials, asked.budget) for seed in range(asked.seeds) for arm in ARMS]
    rows = [row for seed in range(asked.seeds) for row in compared([run for run in runs if run.seed == seed])]
    Console(width=120).print(_table(rows))
    if asked.out:
        report = setting(("nomad-nas", "torch", "PyNomadBBO", "numpy")) | {
            "rows": rows,
            "runs": [asdict(run) for run in runs],
        }
        asked.out.write_text(json.dumps(report, indent=1) + "\n")


def searched(arm: str, seed: int, trials: int, budget: str) -> Spent:
    """Run one search of the demo in a record of its own, and say what it spent."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as off:
        given = {
            **SMALL,
            "demo": True,
            "runs": Path(folder),
            "trials": trials,
            "budget": budget,
            "seed": seed,
            "block": 1,
            "pruner": "none" if "early stop" in ARMS[arm] else pruners.USUAL,
        }
        if "screening" in ARMS[arm]:
            off.enter_context(patch.object(Formulation, "screened", lambda *_: None))
        if "keys" in ARMS[arm]:
            off.enter_context(patch.object(TrialHistory, "find_trained", lambda *_: None))
        request = search_options.resolve_options("nas", "senet18", given)
        run_study(request, Console(quiet=True), threading.Event())
        with Store(request.database, read_only=True) as store:
            rows = store.trials(store.studies()[0].id)
    return _counted(arm, seed, rows, time.monotonic() - began)


def compared(runs: Sequence[Spent]) -> list[dict[str, object]]:
    """Return one row an arm. Arms of one seed are held against the MACs that all of them reached."""
    ends = [run.path[-1][1] for run in runs if run.path]
    goal = max(ends, default=0)
    return [
        {
            "arm": run.arm,
            "seed": run.seed,
            "trainings": round(run.spent, 2),
            "screened": run.screened,
            "duplicates": run.duplicates,
            "pruned": run.pruned,
            "M MACs in the end": run.path[-1][1] / 1e6 if run.path else None,
            "trainings until all arms' M MACs": run.arrived(goal),
            "all arms' M MACs": goal / 1e6,
        }
        for run in runs
    ]


def _counted(arm: str, seed: int, rows: Sequence[Trial], seconds: float) -> Spent:
    path = list[tuple[float, int]]()
    for row in rows:
        if row.verdict == "confirmed":
            last = max(
                r.number for r in rows if r.of_trial_number == row.number and r.purpose == "confirmation"
            )
            path.append((round(count_spent(r for r in rows if r.number <= last), 2), row.macs or 0))
    counts = {state: sum(row.state == state for row in rows) for state in ("screened", "duplicate", "pruned")}
    return Spent(
        arm,
        seed,
        count_spent(rows),
        counts["screened"],
        counts["duplicate"],
        counts["pruned"],
        path,
        seconds / 3600,
    )


def _table(rows: Sequence[dict[str, object]]) -> Table:
    table = Table()
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "arm" else "right")
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--budget", default="200steps")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()

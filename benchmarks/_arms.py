"""What is compared: our studies, Optuna's with the same subprocess, and the subprocess alone.

All times come from the records that a user would have: rows of the study, trials of Optuna's.
"""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from rich.console import Console

from orchestrator.spec import search_options
from orchestrator.spec.trial_config import Choices, TrialBudget, TrialTemplate
from orchestrator.study.run import run_study
from results.db.store import Store
from results.db.tables import Event, Study, Trial
from tests import inline

IDLE_TRAINER = [sys.executable, str(Path(__file__).resolve().with_name("idle_trainer.py"))]
MIN_ACCURACY = 0.8  # some 30% of the base network's MACs reach it
SAMPLERS = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}


def bare(folder: Path, trials: int) -> dict[str, float]:
    """Start the trainer `trials` times and do nothing else: what no system can save."""
    _write_config(folder / "trial.json", {"depth": 1.0, "width": 1.0, "resolution": 1.0})
    began = time.perf_counter()
    for _ in range(trials):
        _subprocess(folder)
    seconds = time.perf_counter() - began
    return {"seconds_per_trial": seconds / trials, "whole_seconds": seconds}


def ours(folder: Path, trials: int, solver: str, executor: str = "local") -> dict[str, float]:
    """One study of ours on one slot, each trial recorded before the next is asked for."""
    began = time.perf_counter()
    study(folder, trials=trials, solver=solver, executor=executor)
    seconds = time.perf_counter() - began
    trained = [row for row in record(folder)[1] if row.attempts]
    first, last = trained[0].started_at, trained[-1].finished_at
    return {"seconds_per_trial": _between(first, last) / len(trained), "whole_seconds": seconds}


def optunas(folder: Path, trials: int, solver: str, executor: str = "") -> dict[str, float]:
    """One study of Optuna's with its SQLite storage as it comes, and the subprocess in its objective."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        ranges = {"depth": (0.5, 1.5), "width": (0.25, 1.25), "resolution": (0.5, 1.5)}
        scale = {name: trial.suggest_float(name, low, high) for name, (low, high) in ranges.items()}
        _write_config(folder / "trial.json", scale)
        final = _subprocess(folder)
        trial.set_constraint("accuracy", MIN_ACCURACY - final["val_accuracy"])
        return scale["depth"] * scale["width"] ** 2 * scale["resolution"] ** 2

    began = time.perf_counter()
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'optuna.db'}")
    asked = optuna.create_study(storage=storage, sampler=SAMPLERS[solver](seed=0))
    asked.optimize(objective, n_trials=trials)
    seconds = time.perf_counter() - began
    first, last = asked.trials[0].datetime_start, asked.trials[-1].datetime_complete
    storage.engine.dispose()
    return {"seconds_per_trial": _between(first, last) / trials, "whole_seconds": seconds}


def replayed(folder: Path, trials: int, solver: str) -> dict[str, float]:
    """End a study, ask for one training more, and time it until that one begins.

    Until then every question is answered from the record. `start_seconds` is what the first run took from the
    study's row to its first trial's: the solver's process and its imports, which a resume pays again.
    """
    study(folder, trials=trials, solver=solver, executor="inline")
    study(folder, trials=trials + 1, solver=solver, executor="inline")
    found, rows, events = record(folder)
    resumed_at = [event.at for event in events if event.kind == "resumed"][-1]
    new = [row for row in rows if row.created_at > resumed_at]
    seconds = _between(resumed_at, new[0].created_at if new else found.updated_at)
    start_seconds = _between(found.created_at, rows[0].created_at)
    count = len(rows) - len(new)
    return {
        "trials": count,
        "seconds": seconds,
        "start_seconds": start_seconds,
        "trials_per_second": count / seconds,
        "trials_per_second_once_started": count / max(seconds - start_seconds, 1e-3),
    }


def idle_share(folder: Path, trials: int, solver: str, block: int, sleep_seconds: float) -> dict[str, float]:
    """Share of `block` slots that no trial held, from the first search trial's start to the last's end."""
    study(folder, f"idle:{sleep_seconds}", trials=trials, solver=solver, block=block, slots=block)
    trained = [row for row in record(folder)[1] if row.attempts]
    starts, ends = [row.started_at for row in trained], [row.finished_at for row in trained]
    busy = sum(map(_between, starts, ends))
    wall = _between(min(filter(None, starts)), max(filter(None, ends)))
    return {"idle_share": 1 - busy / (block * wall), "trainings": len(trained), "wall_seconds": wall}


def study(folder: Path, data: str = "idle:", **given: Any) -> None:
    """Run a study of ours in this process, as `nas-search` does, without a baseline or confirmation."""
    usual = {"budget": "1steps", "min_accuracy": MIN_ACCURACY, "confirm": 0, "device": "cpu", "slots": 1}
    where = {"trainer": shlex.join(IDLE_TRAINER), "runs": folder, "study": "benchmark", "data": data}
    request = search_options.resolve_options("nas", "senet18", {**usual, **where, **given})
    with inline.offered():
        run_study(request, Console(file=io.StringIO()), threading.Event())


def record(folder: Path) -> tuple[Study, Sequence[Trial], Sequence[Event]]:
    with Store(folder / "results.db", read_only=True) as store:
        found = store.study("benchmark")
        assert found is not None
        return found, store.trials(found.id), store.events(found.id)


def _write_config(path: Path, scale: dict[str, float]) -> None:
    training = TrialTemplate("senet18", "idle:", 5000, 1000, TrialBudget(steps=1))
    path.write_text(json.dumps(training.config(Choices(scale))))


def _subprocess(folder: Path) -> dict[str, Any]:
    """Train as an Optuna user would: start, wait, read the last line."""
    command = [*IDLE_TRAINER, "train", "--config", str(folder / "trial.json")]
    with (folder / "metrics.jsonl").open("w+") as stdout, (folder / "log.txt").open("w") as stderr:
        subprocess.run(command, stdout=stdout, stderr=stderr, check=True)
        stdout.seek(0)
        final: dict[str, Any] = json.loads(stdout.readlines()[-1])
    return final


def _between(first: datetime | None, last: datetime | None) -> float:
    assert first is not None
    assert last is not None
    return (last - first).total_seconds()

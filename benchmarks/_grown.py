"""A study of very many trials on record, and what it takes to read it and to go on with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from _fleet import EPOCHS, NETWORK, TRAINING, Fleet, accuracy, chosen, opened, problem, search
from sqlalchemy import insert

from orchestrator.service.queries import RecordQueries
from orchestrator.solvers import load
from orchestrator.spec.problem import Evaluation
from orchestrator.trainer_client import network_key
from results.db import connection as database
from results.db.rows import from_config
from results.db.store import Store
from results.db.tables import Measurement, Trial
from search_spaces import Point

BLOCK = 8
_AT_ONCE = 2000
_COMMAND = [sys.executable, "-c", "from results.cli.commands import main; main()"]
_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class _Enough(Exception):
    pass


def write(db: str, trials: int) -> None:
    """Write the study as a search with the solver `random` would have left it: one in 20 failed."""
    with Store(db) as store:
        study = opened(store, trials).id
    engine = database.connect(database.address(db), read_only=False)
    with engine.begin() as connection:
        rows = []
        for number, point in enumerate(_points(trials), 1):
            rows.append(_row(study, number, point))
            if len(rows) == _AT_ONCE or number == trials:
                connection.execute(insert(Trial), rows)
                connection.execute(insert(Measurement), [m for row in rows for m in _curve(row)])
                rows = []
    engine.dispose()


def _points(trials: int) -> list[Point]:
    """Return the points that the solver asks."""
    found = list[Point]()

    def evaluate(points: list[Point]) -> list[Evaluation]:
        found.extend(points)
        if len(found) >= trials:
            raise _Enough
        return [Evaluation.failure()] * len(points)

    with suppress(_Enough):
        load("random").search(problem(BLOCK), evaluate)
    return found[:trials]


def _row(study: int, number: int, point: Point) -> dict[str, Any]:
    config = TRAINING.config(chosen(point))
    begun = _DAY + timedelta(seconds=601 * (number // BLOCK))
    reached = accuracy(config)
    failed = number % 20 == 19
    ended = {"state": "failed", "reason": "diverged"} if failed else {"state": "completed", "reason": None}
    known = {"val_accuracy": None if failed else reached, "objective": None if failed else 1 - reached}
    columns = {column.name: None for column in Trial.__table__.columns} | from_config(config)
    columns |= NETWORK.columns() | {"id": number, "study_id": study, "number": number, "purpose": "search"}
    columns |= {"point": dict(point), "config": config, "network_key": network_key(NETWORK, config)}
    columns |= {"replicate": 0, "attempts": 1, "constraints": [], "other_objectives": None, "slot": "gpu-0"}
    columns |= {"host": "fake", "device": "cuda", "device_name": "fake", "folder": f"runs/s/{number:05d}"}
    columns |= dict.fromkeys(("wall_seconds", "train_seconds", "slot_seconds") & columns.keys(), 600.0)
    columns |= {"created_at": begun, "started_at": begun, "finished_at": begun + timedelta(seconds=600)}
    return columns | ended | known


def _curve(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for n in range(EPOCHS if row["val_accuracy"] is not None else 1):
        share = (n + 1) / EPOCHS
        yield {"trial_id": row["id"], "ordinal": n, "epoch": n + 1.0, "step": 100 * n, "progress": share,
               "elapsed_seconds": 600 * share, "learning_rate": 0.1, "train_loss": 1 - share,
               "val_accuracy": (row["val_accuracy"] or 0.1) * share, "val_loss": 1 - share}  # fmt: skip


def resumed(folder: Path, trials: int, more: int) -> dict[str, float]:
    """Take the study up, and train `more` beyond what is on record; the processor's seconds in each part."""
    fleet = Fleet(BLOCK)
    with Store(folder / "results.db") as store:
        began = time.process_time()
        study = opened(store, trials)
        rows = store.trials(study.id)
        read = time.process_time()
        with search(store, study, fleet, folder, trials, rows) as (replay, history):
            replay.run()
        replayed = time.process_time()
        rows = list(history.rows.values())
        with search(store, study, fleet, folder, trials + more, rows) as (going_on, history):
            going_on.run()
    return {
        "read_cpu_seconds": read - began,
        "replay_cpu_seconds": replayed - read,
        "replay_and_more_cpu_seconds": time.process_time() - replayed,
        "trained": len(history.rows) - trials,
    }


def commanded(db: str, folder: Path, *words: str, limit: float = 1800.0) -> dict[str, float | None]:
    """Run `nas-results`: its seconds, None where it did not end in time, and its megabytes at the peak."""
    began = time.perf_counter()
    with (folder / "printed").open("w") as printed:
        process = subprocess.Popen([*_COMMAND, *words, "--db", db], stdout=printed, cwd=folder)
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0 and time.perf_counter() - began < limit:
            time.sleep(0.02)
        if ended[0] == 0:
            process.kill()
            process.wait()
            return {"cpu_seconds": None, "seconds": None, "megabytes": None}
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    if process.returncode:
        raise RuntimeError(f"nas-results {' '.join(words)} ended with {process.returncode}")
    busy = ended[2].ru_utime + ended[2].ru_stime
    return {
        "cpu_seconds": busy,
        "seconds": time.perf_counter() - began,
        "megabytes": ended[2].ru_maxrss / 1024,
    }


def looked_at(db: str) -> dict[str, float]:
    """What the service reads of the study: the list, one look of a watched page, a page of trials."""
    record = RecordQueries(db)
    looks: dict[str, Callable[[], object]] = {
        "list": record.studies,
        "look": lambda: (record.running("s"), record.study("s"), record.marks("s")),
        "page": lambda: record.trials("s", 0),
    }
    found = {}
    for name, look in looks.items():
        look()  # the file is then in memory, as where pages poll
        began = time.process_time()
        look()
        found[f"service_{name}_cpu_seconds"] = time.process_time() - began
    record.close()
    return found

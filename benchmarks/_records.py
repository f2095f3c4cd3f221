"""Studies of any size, written to a record at once: trials of every outcome, with curves, slots and times.

Rows are written by one statement a table, past the Store, whose transaction a trial would take minutes.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from results.db import connection
from results.db.store import Store
from results.db.tables import Measurement, Study, Trial

RANGE = {"kind": "real", "low": 0.25, "high": 1.5, "log": False}
SPACE = [{"name": name, **RANGE} for name in ("depth", "width", "resolution")]
QUESTION = {
    "subject": "senet18",
    "training": {
        "dataset": "digits",
        "train_images": 4000,
        "validation_images": 1000,
        "budget": {"seconds": 60.0},
    },
    "solver": {"name": "nomad"},
    "space": SPACE,
}
_BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)
_BASE_MACS, _EPOCHS, _SLOTS = 60_000_000, 5, 2
_REASONS = ("diverged", "out_of_memory", "timeout")


def write_study(db: str, name: str, trials: int, seed: int = 0) -> None:
    """Write a NAS study of so many trials, of which the first three are the baseline, to the database."""
    rng = random.Random(seed)
    with Store(db) as store:
        study = store.open_study(name, "nas", QUESTION, trials, {"torch": "2.15"}, "abc1234")
        if trials >= 3:
            store.set_bound(
                study.id, min_accuracy=0.89, baseline_accuracy=0.9, baseline_std=0.005, baseline_replicates=3
            )
    rows = _rows(study, trials, rng)
    engine = connection.connect(connection.address(db), read_only=False)
    with Session(engine) as session, session.begin():
        if rows:
            session.execute(insert(Trial), rows)
        known = session.execute(select(Trial.number, Trial.id).where(Trial.study_id == study.id))
        ids = {row.number: row.id for row in known}
        curves = [point for row in rows for point in _curve(row, ids[row["number"]])]
        if curves:
            session.execute(insert(Measurement), curves)
    engine.dispose()


def _rows(study: Study, trials: int, rng: random.Random) -> list[dict[str, Any]]:
    free = [_BEGAN] * _SLOTS
    rows = []
    for number in range(1, trials + 1):
        row = {"study_id": study.id, "number": number, "replicate": 0, **_network(number, rng)}
        slot = free.index(min(free))
        begin = free[slot] + timedelta(seconds=rng.uniform(1, 4))
        end = begin + timedelta(seconds=rng.uniform(60, 66))
        if row["attempts"]:
            free[slot] = end
            row |= {"started_at": begin, "host": "box", "slot": f"gpu-{slot}", "device": "cuda"}
            row |= {"device_name": "NVIDIA H100", "wall_seconds": (end - begin).total_seconds()}
        rows.append({**_ABSENT, **row, "created_at": begin, "finished_at": end})
    return rows


_STOPPED = {"audited": 0, "stop_progress": 0.4, "predicted_accuracy": 0.8, "stop_bound": 0.89}
_MAY_LACK = ("started_at", "host", "slot", "device", "device_name", "wall_seconds")
_ABSENT: dict[str, Any] = dict.fromkeys((*_MAY_LACK, *_STOPPED, "reason", "message", "of_trial_number"))


def _network(number: int, rng: random.Random) -> dict[str, Any]:
    """A network, what it costs, and what came of it."""
    depth, width, resolution = rng.uniform(0.25, 1.5), rng.uniform(0.25, 1.5), rng.choice([0.75, 1.0, 1.25])
    macs = int(8e7 * depth * width**2 * resolution**2)
    is_base = number <= 3
    if is_base:
        depth, width, resolution, macs = 1.0, 1.0, 1.0, _BASE_MACS
    outcome = {"state": "completed"} if is_base else _outcome(macs, rng)
    accuracy = 0.78 + 0.08 * min(1, width) + 0.04 * min(1, depth) + rng.gauss(0, 0.008)
    return {
        "purpose": "baseline" if is_base else "search",
        "point": {"depth": depth, "width": width, "resolution": resolution},
        "config": {"model": "senet18", "subset": {"train": 4000, "validation": 1000}},
        "model": "senet18",
        "macs": macs,
        "parameters": macs // 20,
        "blocks": [2, 2, 2, 2],
        "channels": [16, 32, 64, 128],
        "seed": number,
        "subset_seed": number,
        "attempts": 0 if outcome["state"] in ("screened", "duplicate") else 1,
        "val_accuracy": accuracy if outcome["state"] == "completed" else None,
        **outcome,
    }


def _outcome(macs: int, rng: random.Random) -> dict[str, Any]:
    lot = rng.random()
    if macs >= _BASE_MACS:
        return {"state": "screened"}
    if lot < 0.08:
        return {"state": "failed", "reason": rng.choice(_REASONS), "message": "it did not end well"}
    if lot < 0.2:
        return {"state": "pruned", "reason": "hopeless", **_STOPPED}
    return {"state": "duplicate", "of_trial_number": 1} if lot < 0.22 else {"state": "completed"}


def _curve(row: dict[str, Any], trial_id: int) -> list[dict[str, Any]]:
    epochs = {"completed": _EPOCHS, "pruned": 2}.get(row["state"], 0)
    shares = [(epoch + 1) / _EPOCHS for epoch in range(epochs)]
    end = row["val_accuracy"] or 0.6
    return [
        {
            "trial_id": trial_id, "ordinal": ordinal, "epoch": 3 * share, "progress": share,
            "elapsed_seconds": 60 * share, "val_accuracy": end * (1 - 0.6 * (1 - share) ** 2),
        }
        for ordinal, share in enumerate(shares)
    ]  # fmt: skip

"""A study that kept the weights of its networks, trained for real on pictures in three colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from results import file_names, latency
from results.db.store import Store
from results.db.tables import Study, Trial
from tests.results.records import complete, open_study
from tests.trainer._saved import make_photos, train_and_save

STUDY, MODEL = "photos", "nomad_photos"
SMALLER = {"width": 0.5}


def make_study(root: Path, is_trained: bool = True) -> Path:
    """The base (trials 1 and 2), a network found (3), its repeat (4), a saved model. Return the runs' folder.

    The photos are in `root/photos`. Trials 1, 3 and 4 have weights; those of 4 stand for the model. Without
    `is_trained` their files are there, and hold nothing.
    """
    changes, runs = make_photos(root / "photos") if is_trained else {}, root / "runs"
    with Store(runs / file_names.DATABASE) as store:
        study = open_study(store, STUDY)
        _train(store, study, 1, runs, changes, macs=2_000_000, purpose="baseline")
        complete(store, study, 2, 2_000_000, 0.9, purpose="baseline", replicate=1)
        store.set_bound(
            study.id, min_accuracy=0.85, baseline_accuracy=0.9, baseline_std=0.01, baseline_replicates=2
        )
        found = _train(store, study, 3, runs, changes, macs=1_000_000, point=SMALLER)
        _train(
            store, study, 4, runs, changes | {"seed": 1}, macs=1_000_000, point=SMALLER,
            purpose="confirmation", of_trial_number=3, replicate=1,
        )  # fmt: skip
        store.judge_trial(found.id, "confirmed", {}, probability=0.99)
        store.save_model(
            name=MODEL, network="senet18", depth=1.0, width=0.5, resolution=1.0, dataset="digits",
            recipe="plain", macs=1, parameters=1, val_accuracy=0.87, accuracy_low=0.85, accuracy_high=0.89,
            trainings=2, status="confirmed", study_id=study.id, trial_id=found.id,
        )  # fmt: skip
        for number, milliseconds in ((None, 9.0), (3, 4.5)):
            timed = {"device": "cpu", "device_name": "AMD", "precision": "fp32", "threads": 1, "batch": 1}
            measured = [
                timed | {"milliseconds": milliseconds},
                {"device": "cuda", "batch": 1, "skipped": "none"},
            ]
            store.note(study.id, latency.EVENT, {"trial": number, "measured": measured})
        store.end_study(study.id, "finished", "")
    return runs


def _train(
    store: Store, study: Study, number: int, runs: Path, changes: dict[str, Any], macs: int, **columns: Any
) -> Trial:
    folder = runs / STUDY / f"{number:05d}"
    folder.mkdir(parents=True)
    if "dataset" in changes:
        train_and_save(folder, **changes, provenance={"study": STUDY, "trial": number})
    else:
        for name in (file_names.WEIGHTS, file_names.MODEL):
            (folder / name).write_text("{}")
    size = sum(path.stat().st_size for path in folder.iterdir())
    layer = {"name": "0", "kind": "Conv2d", "output": [8, 32, 32], "parameters": 216, "macs": 221184}
    told = {"event": "model", "layers": [layer] * number}
    (folder / file_names.METRICS).write_text(json.dumps(told) + "\n")
    given = {"folder": str(folder), "weights_bytes": size, **columns}
    return complete(store, study, number, macs, 0.9, **given)

"""Make records to read in tests."""

from typing import Any

from results.db.store import Store
from results.db.tables import Study, Trial

QUESTION = {"base": "senet18", "solver": "nomad", "space": {"width": {"low": 0.25, "high": 1.0}}}


def open_study(store: Store, name: str = "demo", kind: str = "nas", **changes: Any) -> Study:
    """A study with a small question, of which `changes` are merged into its top level."""
    return store.open_study(name, kind, {**QUESTION, **changes}, 12, {"torch": "2.15"}, "abc1234")


def config(width: float = 1.0, **hyperparameters: Any) -> dict[str, Any]:
    """A trial.json."""
    return {
        "protocol": 1,
        "model": "senet18",
        "scale": {"width": width},
        "dataset": "digits",
        "subset": {"train": 100, "validation": 50, "seed": 7},
        "hyperparameters": hyperparameters,
        "budget": {"seconds": 2.5},
        "seed": 3,
    }


def curve(accuracies: list[float]) -> list[dict[str, Any]]:
    """A trainer's epoch events, which carry a key that is no column."""
    return [
        {"event": "epoch", "epoch": n, "step": 10 * n, "elapsed_seconds": 0.5 * n, "val_accuracy": accuracy}
        for n, accuracy in enumerate(accuracies, 1)
    ]


def complete(store: Store, study: Study, number: int, macs: int, accuracy: float, **columns: Any) -> Trial:
    """Start and finish a trial."""
    given = {"purpose": "search", "config": config(width=macs / 10_000_000), **columns}
    trial = store.start_trial(study.id, number, macs=macs, parameters=macs // 20, **given)
    measurements = curve([accuracy / 2, accuracy])
    return store.finish_trial(trial.id, "completed", measurements, val_accuracy=accuracy, train_seconds=2.5)


def write_two_studies(db: str) -> None:
    """`nas-demo`: best is trial 4, of two with equal MACs; `hpo-demo`: best is trial 2."""
    with Store(db) as store:
        nas = open_study(store, "nas-demo")
        base = complete(store, nas, 1, 10_000_000, 0.90, purpose="baseline")
        store.set_bound(
            nas.id, min_accuracy=0.89, baseline_accuracy=0.90, baseline_std=0.004, baseline_replicates=3
        )
        complete(store, nas, 2, 3_000_000, 0.85)
        complete(store, nas, 3, 6_000_000, 0.91)
        found = complete(store, nas, 4, 5_000_000, 0.89)
        complete(store, nas, 5, 5_000_000, 0.895)
        lost = store.start_trial(
            nas.id, 6, purpose="search", config=config(0.4), macs=4_000_000, folder="runs/nas-demo/6"
        )
        store.finish_trial(lost.id, "failed", reason="timeout", message="no end after 30 s; killed")
        store.answer_trial(
            nas.id, 7, "screened", purpose="search", macs=8_000_000, objective=8e6, constraints=[0.0]
        )
        store.answer_trial(nas.id, 8, "duplicate", purpose="search", macs=5_000_000, of_trial_number=4)
        store.start_trial(nas.id, 9, purpose="search", config=config(0.3), macs=2_000_000)
        complete(store, nas, 10, 1_000_000, 0.99, purpose="confirmation")
        store.note(nas.id, "bound", {"min_accuracy": 0.89}, base.id)
        store.end_study(nas.id, "finished", "the budget of 12 trials is spent")
        store.save_model(
            name="nomad_senet18", network="senet18", depth=1.0, width=0.5, resolution=1.0, dataset="digits",
            recipe="nomad_haet", macs=5_000_000, parameters=250_000, val_accuracy=0.89, status="confirmed",
            study_id=nas.id, trial_id=found.id,
        )  # fmt: skip
        hpo = open_study(store, "hpo-demo", "hpo")
        complete(store, hpo, 1, 5_000_000, 0.90, config=config(0.5, optimizer="sgd", learning_rate=0.1))
        complete(store, hpo, 2, 5_000_000, 0.92, config=config(0.5, optimizer="adam", learning_rate=0.003))
        complete(store, hpo, 3, 5_000_000, 0.92, config=config(0.5, optimizer="adamw", learning_rate=0.001))

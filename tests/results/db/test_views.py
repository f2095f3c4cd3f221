"""The public views, as anybody with the sqlite3 program sees them."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from results import queries
from results.db.store import Store
from tests.results.records import complete, open_study, write_two_studies


@pytest.fixture
def plain(record: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(record)
    connection.row_factory = sqlite3.Row
    yield connection
    connection.close()


def test_completed_trials_are_one_readable_row_each(plain: sqlite3.Connection) -> None:
    rows = plain.execute("SELECT * FROM completed_trials WHERE study = 'nas-demo' ORDER BY trial").fetchall()
    assert [row["trial"] for row in rows] == [1, 2, 3, 4, 5, 10]
    fourth = rows[3]
    assert (fourth["kind"], fourth["model"], fourth["width"], fourth["macs_millions"]) == (
        "nas",
        "senet18",
        0.5,
        5.0,
    )
    assert (fourth["val_accuracy"], fourth["val_accuracy_percent"], fourth["train_seconds"]) == (
        0.89,
        89.0,
        2.5,
    )
    assert fourth["finished_at"] > "2026"


def test_a_trial_is_feasible_when_it_reaches_the_bound(plain: sqlite3.Connection) -> None:
    rows = plain.execute("SELECT trial, feasible FROM completed_trials WHERE study = 'nas-demo'").fetchall()
    assert {row["trial"]: row["feasible"] for row in rows} == {1: 1, 2: 0, 3: 1, 4: 1, 5: 1, 10: 1}
    assert (
        plain.execute("SELECT DISTINCT feasible FROM completed_trials WHERE kind = 'hpo'").fetchone()[0]
        is None
    )


def test_the_best_trial_is_the_earliest_of_the_fewest_macs_or_of_the_greatest_accuracy(
    plain: sqlite3.Connection,
) -> None:
    rows = plain.execute("SELECT study, trial, optimizer FROM best_trials ORDER BY study").fetchall()
    assert [tuple(row) for row in rows] == [("hpo-demo", 2, "adam"), ("nas-demo", 4, None)]


def test_a_winner_that_its_confirmations_refute_is_not_the_best(store: Store, db: str) -> None:
    study = open_study(store)
    lucky, honest = complete(store, study, 1, 3_000_000, 0.90), complete(store, study, 2, 4_000_000, 0.90)
    store.set_bound(
        study.id, min_accuracy=0.89, baseline_accuracy=0.89, baseline_std=None, baseline_replicates=1
    )
    for number, (trial, accuracy) in enumerate([(lucky, 0.87), (honest, 0.895)], start=3):
        columns = {"purpose": "confirmation", "of_trial_number": trial.number}
        complete(store, study, number, trial.macs or 0, accuracy, **columns)
    [best] = queries.best(db).to_dict("records")
    assert (best["trial"], best["trainings"]) == (honest.number, 1)
    assert best["mean_accuracy"] == pytest.approx(0.895)


def test_the_score_that_a_study_seeks_stands_for_the_accuracy(store: Store, db: str) -> None:
    study = open_study(store, metric="balanced_accuracy")
    complete(store, study, 1, 3_000_000, 0.95, score=0.60)
    found = complete(store, study, 2, 4_000_000, 0.65, score=0.80)
    store.set_bound(
        study.id, min_accuracy=0.7, baseline_accuracy=0.7, baseline_std=None, baseline_replicates=1
    )
    columns = {"purpose": "confirmation", "of_trial_number": found.number}
    complete(store, study, 3, 4_000_000, 0.65, score=0.75, **columns)
    failed = store.start_trial(study.id, 4, **columns)
    store.finish_trial(failed.id, "failed", reason="diverged")
    assert queries.best(db).empty, "a failed repeat counts 0"
    assert store.mean_accuracies(study.id) == {1: (0.6, 1), 2: (0.375, 2)}
    store.finish_trial(failed.id, "completed", val_accuracy=0.65, score=0.73)
    [best] = queries.best(db).to_dict("records")
    assert (best["trial"], best["metric"], best["val_accuracy"]) == (2, "balanced_accuracy", 0.65)
    assert best["mean_accuracy"] == pytest.approx(0.74)


def test_a_score_that_only_a_script_knows_has_a_best_too(store: Store, db: str) -> None:
    question = {"aim": {"minimise": None, "maximise": "accuracy"}, "metric": "hit_rate"}
    study = store.open_study("demo", "hpo", question, 10, {}, "abc")
    for number, score in enumerate((0.6, 0.8, 0.7), start=1):
        trial = store.start_trial(study.id, number, purpose="search", point={"lr": score})
        store.finish_trial(trial.id, "completed", score=score)
    [best] = queries.best(db).to_dict("records")
    assert (best["trial"], best["mean_accuracy"]) == (2, 0.8)


def test_a_study_without_a_bound_or_a_feasible_trial_has_no_best(store: Store, db: str) -> None:
    study = open_study(store)
    complete(store, study, 1, 1000, 0.8)
    assert queries.best(db, "demo").empty
    store.set_bound(
        study.id, min_accuracy=0.81, baseline_accuracy=None, baseline_std=None, baseline_replicates=0
    )
    assert queries.best(db, "demo").empty


def test_a_learning_curve_is_in_one_row_a_measurement(plain: sqlite3.Connection) -> None:
    rows = plain.execute(
        "SELECT trial, ordinal, epoch, elapsed_seconds, val_accuracy FROM learning_curves"
        " WHERE study = 'nas-demo' AND trial = 3 ORDER BY ordinal"
    ).fetchall()
    assert [tuple(row) for row in rows] == [(3, 0, 1.0, 0.5, 0.455), (3, 1, 2.0, 1.0, 0.91)]


def test_failures_are_counted_by_their_reason(plain: sqlite3.Connection) -> None:
    counted = plain.execute(
        "SELECT reason, COUNT(*) FROM trials WHERE state = 'failed' GROUP BY reason"
    ).fetchall()
    assert [tuple(row) for row in counted] == [("timeout", 1)]


def test_every_database_gives_the_same_views(db: str, record: str, tmp_path: Path) -> None:
    write_two_studies(db)
    pairs = ((queries.best(db), queries.best(record)), (nas_curves(db), nas_curves(record)))
    for ours, reference in pairs:
        timeless = [name for name in reference.columns if not name.endswith("_at")]
        assert ours[timeless].equals(reference[timeless])


def nas_curves(db: str) -> pd.DataFrame:
    return queries.learning_curves(db, "nas-demo")


def with_energies(store: Store, study_id: int, joules: dict[int, float | None]) -> None:
    """Record the energies of the trials with these numbers."""
    for trial in store.trials(study_id):
        if trial.number in joules:
            store.charge_trial(trial.id, energy_joules=joules[trial.number])


def test_the_best_by_energy_bettered_the_base_and_was_measured(store: Store, db: str) -> None:
    study = open_study(store, aim={"minimise": "energy", "maximise": None, "limits": {}})
    complete(store, study, 1, 9_000_000, 0.9, purpose="baseline")
    store.set_bound(study.id, min_accuracy=0.89, baseline_accuracy=0.9, baseline_replicates=1)
    for number in (2, 3, 4):
        complete(store, study, number, 5_000_000, 0.9)
    with_energies(store, study.id, {1: 100.0, 2: 120.0, 3: None})
    assert queries.best(db).empty, "one used more than the base, and the others were not measured"
    with_energies(store, study.id, {4: 80.0})
    [best] = queries.best(db).to_dict("records")
    assert (best["trial"], best["energy_joules"]) == (4, 80.0)


def test_what_used_more_energy_than_the_limit_is_neither_the_best_nor_on_the_front(
    store: Store, db: str
) -> None:
    limits = {"limits": {"energy": 100.0}}
    single = open_study(store, "single", "hpo", aim={"minimise": None, "maximise": "accuracy", **limits})
    double = open_study(store, "double", aim={"minimise": "macs", "maximise": "accuracy", **limits})
    for study in (single, double):
        for number, accuracy in ((1, 0.8), (2, 0.9), (3, 0.95)):
            complete(store, study, number, 1_000_000 * number, accuracy)
        with_energies(store, study.id, {1: 90.0, 2: 100.0, 3: 101.0})
    assert queries.best(db)["trial"].tolist() == [2]
    assert queries.front(db, "double")["trial"].tolist() == [1, 2]

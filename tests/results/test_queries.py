"""The record as DataFrames."""

from pathlib import Path

import pandas as pd
import pytest

from results import queries
from results.db.store import Store
from results.errors import NotOnRecord, StoreUnavailable
from tests.results.records import open_study


def test_studies_count_their_searched_trials_by_what_came_of_them(record: str) -> None:
    nas = queries.studies(record).to_dict("records")[0]
    assert nas["name"] == "nas-demo"
    counts = {name: nas[name] for name in ("trials", "trained", "failed", "screened", "duplicates")}
    assert counts == {"trials": 8, "trained": 4, "failed": 1, "screened": 1, "duplicates": 1}
    assert (nas["best_trial"], nas["best_macs"], nas["best_val_accuracy"]) == (4, 5_000_000, 0.89)
    assert nas["question"]["space"]["width"]["high"] == 1.0


def test_trials_are_all_there_with_typed_columns(record: str) -> None:
    trials = queries.trials(record, "nas-demo")
    assert trials["number"].tolist() == list(range(1, 11))
    assert trials.dtypes["macs"] == "Int64"
    assert trials.dtypes["val_accuracy"] == "float64"
    assert str(trials["finished_at"].dt.tz) == "UTC"
    screened = trials[trials["state"] == "screened"].iloc[0]
    assert screened["constraints"] == [0.0]
    assert screened["reason"] is None
    assert pd.isna(screened["val_accuracy"])
    assert pd.isna(screened["started_at"])


def test_the_best_of_one_study_is_one_row(record: str) -> None:
    assert queries.best(record, "hpo-demo")["trial"].tolist() == [2]
    assert queries.best(record)["study"].tolist() == ["hpo-demo", "nas-demo"]


def test_learning_curves_come_in_order(record: str) -> None:
    curves = queries.learning_curves(record, "nas-demo")
    assert curves[["trial", "ordinal"]].apply(tuple, axis=1).is_monotonic_increasing
    assert len(curves) == 12


def test_a_model_tells_the_study_and_the_trial_it_is_from(record: str) -> None:
    [model] = queries.models(record).to_dict("records")
    assert (model["name"], model["study"], model["trial"]) == ("nomad_senet18", "nas-demo", 4)


def test_an_event_tells_the_number_of_its_trial(record: str) -> None:
    [event] = queries.events(record, "nas-demo").to_dict("records")
    assert (event["kind"], event["trial"], event["detail"]) == ("bound", 1, {"min_accuracy": 0.89})


@pytest.mark.parametrize("query", [queries.trials, queries.best, queries.learning_curves, queries.events])
def test_a_study_that_there_is_not_is_answered_with_those_there_are(query: object, record: str) -> None:
    assert callable(query)
    with pytest.raises(NotOnRecord, match="there is no study 'demo'; there are nas-demo, hpo-demo"):
        query(record, "demo")


def test_a_record_without_studies_is_empty_tables(store: Store, db: str) -> None:
    for frame in (queries.studies(db), queries.best(db), queries.models(db)):
        assert frame.empty
    assert "macs_millions" in queries.best(db).columns
    with pytest.raises(NotOnRecord, match="there is none yet"):
        queries.trials(db, "demo")
    open_study(store)
    assert queries.trials(db, "demo").empty


def test_a_search_that_is_writing_can_be_read(db: str) -> None:
    with Store(db) as store:
        study = open_study(store)
        store.start_trial(study.id, 1, purpose="search")
        assert queries.trials(db, "demo")["state"].tolist() == ["running"]


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="run a search first"):
        queries.studies(tmp_path / "results.db")
    assert not list(tmp_path.iterdir())

"""The store, on every database there is to test on."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from results import queries
from results.db.store import Store
from results.db.tables import Study
from results.errors import NotOnRecord, QuestionChanged, StoreUnavailable, StudyLost
from tests.results.records import QUESTION, complete, config, curve, open_study


def test_a_study_opened_again_is_the_one_on_record(store: Store) -> None:
    first = open_study(store)
    store.end_study(first.id, "stopped", "by the user")
    again = store.open_study("demo", "nas", first.question, 40, {"torch": "2.16"}, "def5678")
    assert again.id == first.id
    assert (again.state, again.message, again.budget_trials) == ("running", None, 40)
    assert again.versions == {"torch": "2.15"}
    resumed = store.events(first.id)[-1]
    assert resumed.kind == "resumed"
    assert resumed.detail == {"versions": {"torch": "2.16"}, "git_commit": "def5678", "was": "stopped"}


def test_a_question_with_tuples_is_the_same_question_when_asked_again(store: Store) -> None:
    open_study(store, optimizers=("sgd", "adam"))
    assert open_study(store, optimizers=("sgd", "adam")).question["optimizers"] == ["sgd", "adam"]


def test_a_changed_question_is_refused_with_each_difference_named(store: Store) -> None:
    open_study(store, seed=0)
    with pytest.raises(QuestionChanged) as refused:
        open_study(store, kind="hpo", seed=1, space={"width": {"low": 0.25, "high": 1.25}})
    said = str(refused.value)
    assert "kind: 'nas' recorded, 'hpo' now" in said
    assert "space width high: 1.0 recorded, 1.25 now" in said
    assert "seed: 0 recorded, 1 now" in said
    assert "another --study name" in said
    assert "\n" not in said


def test_a_refused_question_changes_nothing(store: Store) -> None:
    before = open_study(store)
    store.end_study(before.id, "finished", "done")
    with pytest.raises(QuestionChanged):
        open_study(store, solver="random")
    after = store.study("demo")
    assert after
    assert (after.state, after.message, store.events(before.id)) == ("finished", "done", [])


def asked_anew(store: Store, **changes: Any) -> Study:
    question = {**QUESTION, **changes}
    return store.open_study("demo", "hpo", question, 5, {}, None, anew=True)


def test_a_study_without_a_result_is_replaced_with_all_that_belongs_to_it(store: Store) -> None:
    before = open_study(store)
    store.set_bound(before.id, min_accuracy=0.8, baseline_accuracy=0.9)
    trial = store.start_trial(before.id, 1, purpose="baseline", config=config())
    store.finish_trial(trial.id, "failed", curve([0.5]), {"test_read": {}}, reason="diverged", message="nan")
    study = asked_anew(store, solver="tpe")
    assert (study.kind, study.question["solver"], study.budget_trials) == ("hpo", "tpe", 5)
    assert (study.min_accuracy, study.baseline_accuracy, study.versions) == (None, None, {})
    assert [found.id for found in store.studies()] == [study.id]
    assert (store.trials(study.id), store.curves(study.id, [1])) == ([], {})
    [event] = store.events(study.id)
    assert (event.kind, event.detail["changed"]) == (
        "asked_anew",
        ["kind: 'nas' recorded, 'hpo' now", "solver: 'nomad' recorded, 'tpe' now"],
    )
    assert event.detail["events"] == {"test_read": 1}
    assert event.detail["trials"] == [
        {"number": 1, "state": "failed", "reason": "diverged", "message": "nan"}
    ]


def test_a_run_whose_study_was_replaced_can_write_nothing_more(store: Store, db: str) -> None:
    before = open_study(store)
    trial = store.start_trial(before.id, 1, purpose="baseline", config=config())
    store.finish_trial(trial.id, "failed", reason="diverged")
    with Store(db) as other:
        study = asked_anew(other, solver="tpe")
        with pytest.raises(StudyLost):
            store.note(before.id, "late", {})
        assert [event.kind for event in other.events(study.id)] == ["asked_anew"]


@pytest.mark.parametrize("state", ["completed", "pruned", "running"])
def test_a_study_with_a_result_is_not_replaced(store: Store, state: str) -> None:
    study = open_study(store)
    trial = store.start_trial(study.id, 1, purpose="search", config=config())
    if state != "running":
        store.finish_trial(trial.id, state)
    with pytest.raises(QuestionChanged):
        asked_anew(store, solver="tpe")
    assert [trial.state for trial in store.trials(study.id)] == [state]


def test_the_bound_comes_with_its_baseline(store: Store) -> None:
    study = open_study(store)
    assert study.min_accuracy is None
    store.set_bound(
        study.id, min_accuracy=0.88, baseline_accuracy=0.9, baseline_std=0.01, baseline_replicates=3
    )
    [study] = store.studies()
    found = (study.min_accuracy, study.baseline_accuracy, study.baseline_std, study.baseline_replicates)
    assert found == (0.88, 0.9, 0.01, 3)


def test_a_trial_is_on_record_as_running_before_it_is_finished(store: Store, db: str) -> None:
    study = open_study(store)
    store.start_trial(study.id, 1, purpose="search", config=config())
    with Store(db, read_only=True) as other:
        [trial] = other.trials(study.id)
    assert (trial.state, trial.attempts, trial.finished_at) == ("running", 1, None)
    assert trial.started_at is not None


def test_a_trial_s_own_columns_are_filled_from_its_config(store: Store) -> None:
    study = open_study(store)
    trial = store.start_trial(
        study.id, 1, purpose="search", config=config(0.5, optimizer="adam", batch_size=128)
    )
    assert (trial.model, trial.depth, trial.width, trial.resolution) == ("senet18", 1.0, 0.5, 1.0)
    assert (trial.optimizer, trial.learning_rate, trial.batch_size) == ("adam", None, 128)
    assert (trial.seed, trial.subset_seed, trial.budget_seconds, trial.budget_steps) == (3, 7, 2.5, None)


def test_a_finished_trial_has_its_measurements_in_order(store: Store, db: str) -> None:
    study = open_study(store)
    trial = complete(store, study, 1, 1000, 0.8)
    assert (trial.state, trial.val_accuracy) == ("completed", 0.8)
    assert trial.finished_at is not None
    curves = queries.learning_curves(db, "demo")
    assert curves["val_accuracy"].tolist() == [0.4, 0.8]
    assert curves["step"].tolist() == [10, 20]


def test_a_restarted_trial_keeps_its_number_and_counts_its_attempts(store: Store, db: str) -> None:
    study = open_study(store)
    trial = store.start_trial(study.id, 1, purpose="search", config=config(), host="a")
    store.finish_trial(trial.id, "failed", curve([0.1]), reason="killed")
    again = store.restart_trial(trial.id, host="b")
    assert (again.id, again.number, again.state, again.attempts) == (trial.id, 1, "running", 2)
    assert (again.reason, again.finished_at, again.host) == (None, None, "b")
    assert queries.learning_curves(db, "demo").empty


def test_an_answered_trial_was_never_started(store: Store) -> None:
    study = open_study(store)
    trial = store.answer_trial(study.id, 1, "screened", purpose="search", objective=5.0, constraints=[0.25])
    assert (trial.state, trial.attempts, trial.started_at) == ("screened", 0, None)
    assert trial.finished_at is not None
    assert trial.constraints == [0.25]


def test_trials_come_in_order_of_number_and_only_those_of_the_study(store: Store) -> None:
    first, second = open_study(store, "first"), open_study(store, "second")
    for number in (3, 1, 2):
        store.start_trial(first.id, number, purpose="search")
    store.start_trial(second.id, 1, purpose="search")
    assert [trial.number for trial in store.trials(first.id)] == [1, 2, 3]


def test_a_number_is_given_once(store: Store) -> None:
    study = open_study(store)
    store.start_trial(study.id, 1, purpose="search")
    with pytest.raises(IntegrityError):
        store.start_trial(study.id, 1, purpose="search")


@pytest.mark.parametrize("column", ["state", "purpose"])
def test_a_word_that_is_no_state_or_purpose_is_refused_by_the_database(store: Store, column: str) -> None:
    study = open_study(store)
    words = {"state": "screened", "purpose": "search", column: "daydreaming"}
    with pytest.raises(IntegrityError):
        store.answer_trial(study.id, 1, **words)
    assert store.trials(study.id) == []


def test_a_column_that_there_is_not_is_refused_with_those_there_are(store: Store) -> None:
    study = open_study(store)
    with pytest.raises(TypeError, match=r"'vall_accuracy' is not a column of trials; it has .*val_accuracy"):
        store.start_trial(study.id, 1, purpose="search", vall_accuracy=0.5)


def test_a_trial_that_is_gone_is_said_to_be(store: Store) -> None:
    with pytest.raises(NotOnRecord, match="there is no trial with id 99"):
        store.finish_trial(99, "completed")


def test_a_trial_of_no_study_is_refused(store: Store) -> None:
    with pytest.raises(IntegrityError):
        store.start_trial(99, 1, purpose="search")


def test_the_newest_model_of_a_name_is_meant_by_it(store: Store) -> None:
    first, second = open_study(store, "first"), open_study(store, "second")
    save(store, first.id, width=0.5)
    save(store, second.id, width=0.6)
    newest = store.model("nomad_senet18")
    assert newest
    assert (newest.width, [model.width for model in store.models()]) == (0.6, [0.6, 0.5])
    assert store.model("nomad_resnet18") is None


def test_a_study_that_saves_a_name_again_replaces_its_own(store: Store) -> None:
    study = open_study(store)
    save(store, study.id, width=0.5, status="provisional")
    save(store, study.id, width=0.5, status="confirmed")
    assert [model.status for model in store.models()] == ["confirmed"]


def save(store: Store, study_id: int, width: float, status: str = "confirmed") -> None:
    store.save_model(
        name="nomad_senet18", network="senet18", depth=1.0, width=width, resolution=1.0, dataset="digits",
        recipe="nomad_haet", macs=5, parameters=2, val_accuracy=0.8, status=status, study_id=study_id,
    )  # fmt: skip


def test_times_come_back_in_utc(store: Store, db: str) -> None:
    before = datetime.now(UTC)
    open_study(store)
    with Store(db, read_only=True) as other:
        [study] = other.studies()
    assert study.created_at.utcoffset() == timedelta(0)
    assert timedelta(0) <= study.created_at - before < timedelta(minutes=1)


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    study = open_study(store)
    with pytest.raises(Exception, match="has no time zone"):
        store.start_trial(study.id, 1, purpose="search", started_at=datetime(2026, 1, 1))


def test_rows_stay_readable_when_the_store_is_closed(db: str) -> None:
    with Store(db) as store:
        study = open_study(store)
        trial = complete(store, study, 1, 1000, 0.8)
    assert (study.name, trial.number, trial.channels) == ("demo", 1, None)


def test_a_store_opened_read_only_reads_and_does_not_write(store: Store, db: str) -> None:
    study = open_study(store)
    with Store(db, read_only=True) as reader:
        assert [found.name for found in reader.studies()] == ["demo"]
        with pytest.raises(StoreUnavailable, match="another --db"):
            reader.note(study.id, "seen", {})


numbers = st.floats(allow_nan=False)


@settings(max_examples=15, deadline=None)
@given(losses=st.lists(numbers, min_size=1, max_size=20))
def test_floats_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, losses: list[float]) -> None:
    db = str(tmp_path_factory.getbasetemp() / "floats.db")
    with Store(db) as store:
        study = open_study(store)
        number = len(store.trials(study.id)) + 1
        finite = [loss for loss in losses if math.isfinite(loss)]
        trial = store.start_trial(study.id, number, purpose="search", objective=losses[0], constraints=finite)
        store.finish_trial(trial.id, "completed", [{"train_loss": loss} for loss in losses])
    with Store(db, read_only=True) as store:
        trial = store.trials(study.id)[-1]
    curves = queries.learning_curves(db, "demo")
    assert (trial.objective, trial.constraints) == (losses[0], finite)
    assert curves[curves["trial"] == number]["train_loss"].tolist() == losses


def test_a_loss_that_is_not_a_number_is_kept_as_null(store: Store) -> None:
    study = open_study(store)
    trial = store.start_trial(study.id, 1, purpose="search")
    store.finish_trial(trial.id, "failed", reason="diverged", val_loss=math.nan)
    assert [t.val_loss for t in store.trials(study.id)] == [None]


def test_a_message_of_any_characters_is_kept(store: Store) -> None:
    study = open_study(store)
    trial = store.start_trial(study.id, 1, purpose="search")
    store.finish_trial(trial.id, "failed", message="zero \0, half a pair \ud800, ünï")
    assert [t.message for t in store.trials(study.id)] == ["zero ?, half a pair ?, ünï"]


def test_a_trial_lasts_as_long_as_it_took_when_the_clock_is_set_back(store: Store) -> None:
    study = open_study(store)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    trial = store.start_trial(study.id, 1, purpose="search", started_at=ahead)
    ended = store.finish_trial(trial.id, "completed", val_accuracy=0.5, wall_seconds=20.0)
    assert ended.finished_at == ahead + timedelta(seconds=20)


def test_the_model_saved_last_is_the_newest_when_the_clock_is_set_back(store: Store) -> None:
    first, second = open_study(store), open_study(store, "second")
    known = {"network": "senet18", "depth": 1.0, "resolution": 1.0, "dataset": "digits", "recipe": "r"}
    known |= {"macs": 1, "parameters": 1, "val_accuracy": 0.5, "status": "provisional", "name": "m"}
    store.save_model(**known, width=0.4, study_id=second.id)
    store.save_model(**known, width=0.5, study_id=first.id, created_at=datetime.now(UTC) + timedelta(hours=1))
    store.save_model(**known, width=0.6, study_id=second.id)
    newest = store.model("m")
    assert newest is not None
    assert (newest.width, [model.width for model in store.models()]) == (0.6, [0.6, 0.5])


def test_a_study_opened_again_fences_out_whoever_had_opened_it(db: str) -> None:
    with Store(db) as first, Store(db) as second:
        study = open_study(first)
        complete(first, study, 1, 1, 0.5)
        open_study(second)
        with pytest.raises(StudyLost, match="study 'demo' was taken over by another process"):
            first.start_trial(study.id, 2, purpose="search")
        complete(second, study, 2, 1, 0.5)
        second.end_study(study.id, "finished", None)
        open_study(first)
        complete(first, study, 3, 1, 0.5)


def test_who_only_mends_a_study_fences_out_its_run_too(db: str) -> None:
    with Store(db) as store, Store(db) as doctor:
        study = open_study(store)
        doctor.end_study(study.id, "stopped", None)
        with pytest.raises(StudyLost):
            store.note(study.id, "x", {})

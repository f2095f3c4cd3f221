"""Evaluations: which trials they are, what is put on record of them, and how they go on."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.spec.command_options import BadOption
from orchestrator.trainer_client import TrainerRefused
from results import queries
from results.db.store import Store
from results.db.tables import Event
from results.errors import QuestionChanged
from tests.orchestrator._studies import evaluate, record, run, trials

BOTH = ["nomad_haet", "resnet9_sam_ip"]


def events(folder: Path, kind: str) -> list[Event]:
    with Store(folder / "results.db", read_only=True) as store:
        study = store.study("s")
        assert study is not None
        return [event for event in store.events(study.id) if event.kind == kind]


def configs(folder: Path) -> list[dict[str, Any]]:
    return [row.config or {} for row in trials(folder)]


def test_every_model_is_trained_with_every_recipe_in_every_run(tmp_path: Path) -> None:
    evaluate(tmp_path, model=["senet18", "resnet18"], recipe=BOTH)
    rows = trials(tmp_path)
    assert [(row.replicate, row.model, row.recipe) for row in rows] == [
        (run, model, recipe) for run in (0, 1) for model in ("senet18", "resnet18") for recipe in BOTH
    ]
    assert {(row.purpose, row.state) for row in rows} == {("evaluation", "completed")}


def test_runs_train_on_parts_of_one_draw_that_every_pair_shares(tmp_path: Path) -> None:
    evaluate(tmp_path, model=["senet18", "resnet18"], runs=3, seed=7)
    subsets = [config["subset"] for config in configs(tmp_path)]
    assert {subset["seed"] for subset in subsets} == {7}
    assert [subset["part"] for subset in subsets] == [0, 0, 1, 1, 2, 2]
    assert [config["seed"] for config in configs(tmp_path)] == [7, 7, 8, 8, 9, 9]


def test_all_training_images_are_trained_on_where_test_images_measure(tmp_path: Path) -> None:
    evaluate(tmp_path)
    assert {(c["subset"]["validation"], c["test"]) for c in configs(tmp_path)} == {(0, True)}
    assert all(row.val_accuracy is None and row.test_accuracy for row in trials(tmp_path))


def test_without_test_images_validation_images_measure(tmp_path: Path) -> None:
    printed = evaluate(tmp_path, no_test=True, train_images=4000)
    assert {(c["subset"]["validation"], c["test"]) for c in configs(tmp_path)} == {(1000, False)}
    assert all(row.val_accuracy and row.test_accuracy is None for row in trials(tmp_path))
    assert events(tmp_path, "test_read") == []
    assert "no test images" in printed


def test_each_reading_of_test_images_is_an_event(tmp_path: Path) -> None:
    evaluate(tmp_path, runs=3)
    evaluate(tmp_path, runs=3)
    readings = events(tmp_path, "test_read")
    assert [event.detail["number"] for event in readings] == [1, 2, 3]
    assert [event.trial_id for event in readings] == [row.id for row in trials(tmp_path)]
    assert readings[0].detail == {"number": 1, "images": 10_000, "protocols": ["all", "1000"]}


def test_the_table_shown_is_that_of_the_record_and_of_the_file(tmp_path: Path) -> None:
    to = tmp_path / "table.csv"
    printed = evaluate(tmp_path, recipe=BOTH, csv=to)
    ranked = queries.evaluation(tmp_path / "results.db", "s")
    assert ranked["recipe"].tolist() == ["resnet9_sam_ip", "nomad_haet"]
    assert f"{100 * ranked['test_accuracy_mean'][0]:.2f}% (sd " in printed
    assert ranked["difference_mean"][0] == pytest.approx(0.02)
    assert pd.read_csv(to)["test_accuracy_std"].tolist() == ranked["test_accuracy_std"].tolist()


def test_the_same_command_again_trains_nothing(tmp_path: Path) -> None:
    evaluate(tmp_path)
    before = [row.finished_at for row in trials(tmp_path)]
    printed = evaluate(tmp_path)
    assert "resuming: 2 of 2 trials in the results database have ended" in printed
    assert [row.finished_at for row in trials(tmp_path)] == before


def test_more_runs_add_to_the_runs_on_record(tmp_path: Path) -> None:
    evaluate(tmp_path / "grown", recipe=BOTH)
    evaluate(tmp_path / "grown", recipe=BOTH, runs=4)
    evaluate(tmp_path / "whole", recipe=BOTH, runs=4)
    assert record(tmp_path / "grown") == record(tmp_path / "whole")
    assert [row.attempts for row in trials(tmp_path / "grown")] == [1] * 8


def test_models_and_recipes_in_another_order_are_the_same_question(tmp_path: Path) -> None:
    evaluate(tmp_path, recipe=BOTH)
    evaluate(tmp_path, recipe=BOTH[::-1], runs=3)
    assert len({(row.recipe, row.replicate) for row in trials(tmp_path)}) == len(trials(tmp_path)) == 6


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model": ["senet18", "resnet18"]}, "pairs.resnet18 with nomad_haet: nothing recorded"),
        ({"budget": "20steps"}, "settings: budget steps: 10 recorded, 20 now"),
        ({"ensemble": 3}, r"settings: ingredients: nothing recorded, \{'ensemble'"),
        ({"seed": 5}, "settings: seed: 0 recorded, 5 now"),
    ],
)
def test_another_question_is_refused_with_the_difference(
    tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    evaluate(tmp_path)
    with pytest.raises(QuestionChanged, match=words):
        evaluate(tmp_path, **changed)
    assert len(trials(tmp_path)) == 2


def test_a_failed_run_is_shown_and_counted_and_not_trained_again(tmp_path: Path) -> None:
    printed = evaluate(tmp_path, model=["senet18", "resnet18"], runs=4, data="fake:diverge_above=.6")
    failed = [row.number for row in trials(tmp_path) if row.state == "failed"]
    assert 0 < len(failed) < 8, "the draws of these seeds should fail some"
    ranked = queries.evaluation(tmp_path / "results.db", "s")
    assert (ranked["n"].sum(), ranked["failed"].sum()) == (8 - len(failed), len(failed))
    assert f"{8 - len(failed)} of 8 runs completed, {len(failed)} failed" in printed
    assert ranked["test_accuracy_mean"].dropna().min() > 0.8, "a failure is no accuracy of 0"
    evaluate(tmp_path, model=["senet18", "resnet18"], runs=4, data="fake:diverge_above=.6")
    assert {row.attempts for row in trials(tmp_path)} == {1}


def test_a_training_without_the_accuracy_asked_for_is_a_failure(tmp_path: Path) -> None:
    evaluate(tmp_path, data="fake:nan")
    assert {(row.state, row.reason) for row in trials(tmp_path)} == {("failed", "no_result")}
    assert events(tmp_path, "test_read") == []


def test_runs_beyond_the_disjoint_parts_are_refused_with_what_fits(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=r"need 55000 training images but there are 50000; give --runs 10, "):
        evaluate(tmp_path, runs=11)
    with pytest.raises(BadOption, match="give --runs 8, or --train-images 4000, or --validation-images 0"):
        evaluate(tmp_path, runs=10, validation_images=1000)
    evaluate(tmp_path, runs=10)
    assert len(trials(tmp_path)) == 10


def test_a_network_that_the_trainer_does_not_know_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(TrainerRefused, match="senet99 with nomad_haet: no network 'senet99'"):
        evaluate(tmp_path, model=["senet18", "senet99"])
    with Store(tmp_path / "results.db") as store:
        assert store.studies() == []


def test_an_ensemble_and_other_ingredients_reach_the_trainer(tmp_path: Path) -> None:
    evaluate(tmp_path, ensemble=4, vote="hard", ingredient=["mixup=null", 'sam={"rho": 0.1}'])
    settled = {"mixup": None, "sam": {"rho": 0.1}, "ensemble": {"members": 4, "vote": "hard"}}
    assert [config["ingredients"] for config in configs(tmp_path)] == [settled] * 2
    assert all('"ensemble"' in (row.network_key or "") for row in trials(tmp_path))


def test_a_batch_of_more_than_all_images_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(
        BadOption, match="a batch of 128 images is more than the 100 training images; give --batch-size 16"
    ):
        evaluate(tmp_path, train_images=100, batch_size=128)
    with Store(tmp_path / "results.db") as store:
        assert store.studies() == []


@pytest.mark.parametrize(("optimizer", "keeps_the_rate"), [("sgd", True), ("adam", False)])
def test_a_learning_rate_that_was_found_is_not_given_to_another_optimizer(
    tmp_path: Path, optimizer: str, keeps_the_rate: bool
) -> None:
    run(tmp_path, kind="hpo", study="found", trials=1)  # its start: sgd, with a rate
    evaluate(tmp_path, model=["tuned_senet18"], optimizer=optimizer)
    for config in configs(tmp_path):
        assert config["hyperparameters"]["optimizer"] == optimizer
        assert ("learning_rate" in config["hyperparameters"]) is keeps_the_rate
        assert "weight_decay" in config["hyperparameters"]


def test_a_saved_model_is_evaluated_as_it_was_found(tmp_path: Path) -> None:
    run(tmp_path, study="found", recipe="resnet9_sam_ip", ingredient=["mixup=null"])
    evaluate(tmp_path, model=["nomad_senet18"])
    with Store(tmp_path / "results.db") as store:
        model = store.model("nomad_senet18")
    assert model is not None
    [config, _] = configs(tmp_path)
    assert config["scale"]["width"] == model.width
    assert (config["recipe"], config["ingredients"]) == ("resnet9_sam_ip", {"mixup": None})


def test_a_plan_says_the_cost_and_does_nothing(tmp_path: Path) -> None:
    printed = evaluate(tmp_path, model=["senet18", "resnet18"], runs=9, budget="600s", plan=True)
    assert "trainings: 18 = 2 pairs x 9 runs" in printed
    assert "cost: 3.00 device-hours of training, 1 at a time" in printed
    assert list(tmp_path.iterdir()) == []


def test_a_plan_refuses_other_settings_as_the_evaluation_does_and_says_that_a_failed_one_starts_anew(
    tmp_path: Path,
) -> None:
    evaluate(tmp_path, data="fake:nan", runs=1)
    assert "has other settings and no result, so it starts anew" in evaluate(tmp_path, seed=3, plan=True)
    assert len(trials(tmp_path)) == 1
    evaluate(tmp_path, seed=3, runs=1)
    evaluate(tmp_path, seed=3, runs=2, plan=True)
    with pytest.raises(QuestionChanged, match=r"seed: 3 recorded, 4 now"):
        evaluate(tmp_path, seed=4, plan=True)


def test_a_trial_ended_by_a_kill_of_the_study_is_adopted_with_its_reading(tmp_path: Path) -> None:
    evaluate(tmp_path, runs=1)
    [row] = trials(tmp_path)
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection, connection:
        connection.execute("UPDATE trials SET state = 'running', test_accuracy = NULL, finished_at = NULL")
        connection.execute("DELETE FROM events")  # as if killed between the trial's end and its record
    evaluate(tmp_path, runs=1)
    [again] = trials(tmp_path)
    assert (again.state, again.test_accuracy) == ("completed", row.test_accuracy)
    assert len(events(tmp_path, "result_adopted")) == len(events(tmp_path, "test_read")) == 1
    assert again.attempts == 1

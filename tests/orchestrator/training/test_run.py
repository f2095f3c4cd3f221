"""Final trainings: on which images, from which weights, and the model that is saved of them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import orchestrator
from orchestrator.search.common_failure import TrainingsFailed
from orchestrator.spec.command_options import BadOption
from orchestrator.trainer_client import TrainerRefused
from orchestrator.training.options import TrainingOptions
from results import queries, report
from results.analysis.evaluation import mean_interval
from results.cli.commands import main
from results.db.store import Store
from results.db.tables import Model
from results.errors import NotOnRecord, QuestionChanged, WeightsMissing
from results.model_facts import describe_model
from tests.orchestrator._studies import TRAINER, evaluate, record, run, train, trials


def models(folder: Path) -> list[Model]:
    with Store(folder / "results.db", read_only=True) as store:
        return store.models()


def configs(folder: Path, study: str = "s") -> list[dict[str, Any]]:
    return [row.config or {} for row in trials(folder, study)]


def make_weights(folder: Path, checksum: str = "a1") -> Path:
    """A folder with what names a network's weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(json.dumps({"weights": {"sha256": checksum}}))
    (folder / "model.safetensors").touch()
    return folder


def test_all_images_are_trained_on_and_the_test_images_measure(tmp_path: Path) -> None:
    printed = train(tmp_path, runs=3, seed=4)
    assert [config["subset"] for config in configs(tmp_path)] == [
        {"train": 50_000, "validation": 0, "seed": seed} for seed in (4, 5, 6)
    ]
    assert [(config["seed"], config["test"]) for config in configs(tmp_path)] == [
        (4, True),
        (5, True),
        (6, True),
    ]
    assert {(row.purpose, row.state) for row in trials(tmp_path)} == {("training", "completed")}
    assert "every run uses 50000 training and 0 validation images; all test images, read once" in printed


def test_without_reading_test_images_a_fifth_is_held_out(tmp_path: Path) -> None:
    train(tmp_path, no_test=True)
    [config] = configs(tmp_path)
    assert (config["subset"]["train"], config["subset"]["validation"], config["test"]) == (
        40_000,
        10_000,
        False,
    )
    [model] = models(tmp_path)
    assert (model.val_accuracy, model.test_accuracy) == (trials(tmp_path)[0].val_accuracy, None)


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({"train_images": 6000}, (6000, 0)),
        ({"train_images": "10%", "validation_images": 500}, (5000, 500)),
        ({"validation_images": 1000}, (49_000, 1000)),
        ({"folds": 5}, (40_000, 10_000)),
    ],
)
def test_numbers_of_images_are_those_given(
    tmp_path: Path, given: dict[str, Any], counts: tuple[int, int]
) -> None:
    if "folds" in given:
        with pytest.raises(BadOption, match="does not tell the images of each class"):
            train(tmp_path, **given)  # which the fake trainer does not
        return
    train(tmp_path, **given)
    [config] = configs(tmp_path)
    assert (config["subset"]["train"], config["subset"]["validation"]) == counts
    [model], [row] = models(tmp_path), trials(tmp_path)
    assert (model.val_accuracy, model.test_accuracy) == (row.val_accuracy, row.test_accuracy)


def test_nothing_to_measure_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(
        BadOption, match=r"--validation-images 0 comes to 0 images, .*; give --train-images .* --validation"
    ):
        train(tmp_path, no_test=True, validation_images=0)


def test_the_first_run_stands_for_the_model_whose_accuracy_is_the_mean(tmp_path: Path) -> None:
    printed = train(tmp_path, runs=4, data="fake:noise=.02")
    reached = [row.test_accuracy or 0 for row in trials(tmp_path)]
    [model] = models(tmp_path)
    first = trials(tmp_path)[0]
    assert max(reached) > reached[0], "the first should not be the luckiest here"
    assert (model.name, model.status, model.trial_id, model.trainings) == (
        "trained_senet18",
        "trained",
        first.id,
        4,
    )
    assert model.test_accuracy == pytest.approx(sum(reached) / 4)
    assert (model.accuracy_low, model.accuracy_high) == pytest.approx(mean_interval(reached, 10_000))
    assert f"saved as model trained_senet18 (test accuracy {100 * sum(reached) / 4:.2f}% [" in printed
    shown = queries.models(tmp_path / "results.db").iloc[0]
    assert (shown["study"], shown["trial"]) == ("s", 1)


@pytest.mark.parametrize("validation", ["0", "500"])
def test_wherever_a_test_accuracy_is_told_its_own_mean_stands_beside_its_interval(
    validation: str, tmp_path: Path
) -> None:
    train(tmp_path, runs=2, data="fake:noise=.02", validation_images=validation)
    [model], database = models(tmp_path), str(tmp_path / "results.db")
    assert (model.val_accuracy is None) == (validation == "0")
    assert model.test_accuracy != model.val_accuracy
    card = describe_model(database, "trained_senet18")
    assert card["accuracy"]["mean"] == model.test_accuracy
    tested = f"Its test accuracy is {100 * (model.test_accuracy or 0):.2f}% ["
    assert tested in card["how"]
    assert "Trial 1 stands for it, the first run by number." in card["how"]
    assert " 0 validation" not in card["how"]
    held = json.loads((tmp_path / "s" / "00001" / "model.json").read_text())["provenance"]["accuracy"]
    assert (held["mean"], held["images"]) == (model.test_accuracy, "test")
    assert 0 <= held["interval"][0] < held["mean"] < held["interval"][1] <= 1
    assert tested in report.write(database, "s", tmp_path / "page.html")[0].read_text()


def test_the_same_command_again_trains_nothing_and_more_runs_add_to_it(tmp_path: Path) -> None:
    train(tmp_path / "grown")
    printed = train(tmp_path / "grown")
    assert "resuming: 1 of 1 trials in the results database have ended" in printed
    train(tmp_path / "grown", runs=4)
    train(tmp_path / "whole", runs=4)
    assert record(tmp_path / "grown") == record(tmp_path / "whole")
    assert [row.attempts for row in trials(tmp_path / "grown")] == [1] * 4
    [model] = models(tmp_path / "grown")
    assert model.trainings == 4


def test_another_name_given_to_a_finished_training_is_in_its_weights_too(tmp_path: Path) -> None:
    train(tmp_path, runs=2, save_as="first")
    train(tmp_path, runs=2, save_as="second")
    assert [model.name for model in models(tmp_path)] == ["second"]
    folder = queries.weights(tmp_path / "results.db", "second")
    assert json.loads((folder / "model.json").read_text())["provenance"]["name"] == "second"
    assert [row.weights_bytes is not None for row in trials(tmp_path)] == [True, True]


def test_a_saved_model_is_trained_as_it_was_found_and_its_result_is_a_model_again(tmp_path: Path) -> None:
    run(tmp_path, kind="hpo", study="tuned", trials=4)
    train(tmp_path, model="tuned_senet18", study="t")
    [found] = [model for model in models(tmp_path) if model.name == "tuned_senet18"]
    [config] = configs(tmp_path, "t")
    assert config["hyperparameters"] == found.hyperparameters
    assert set(found.hyperparameters or {}) > {"learning_rate", "batch_size"}
    evaluate(tmp_path, model=["trained_tuned_senet18"], study="e")
    assert configs(tmp_path, "e")[0]["hyperparameters"] == found.hyperparameters


def test_a_training_without_a_result_ends_with_the_reason_and_saves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TrainingsFailed, match=r"no run has a result, .*: diverged, .*log\.txt; give other"):
        train(tmp_path, data="fake:diverge_above=0")
    assert models(tmp_path) == []
    train(tmp_path, data="fake:", budget="20steps")  # a study without a result may be asked anew
    assert len(models(tmp_path)) == 1


def test_a_failed_run_is_counted_and_left_out_of_the_mean(tmp_path: Path) -> None:
    printed = train(tmp_path, runs=6, data="fake:diverge_above=.5")
    completed = [row for row in trials(tmp_path) if row.state == "completed"]
    assert 0 < len(completed) < 6, "the draws of these seeds should fail some"
    [model] = models(tmp_path)
    assert (model.trial_id, model.trainings) == (completed[0].id, len(completed))
    assert f"{len(completed)} of 6 runs completed, {6 - len(completed)} failed" in printed


def test_weights_of_a_folder_are_where_the_training_starts(tmp_path: Path) -> None:
    folder = make_weights(tmp_path / "weights")
    printed = train(tmp_path, init=str(folder), new_head=True, data="fake:noise=0")
    assert configs(tmp_path)[0]["init"] == {"folder": str(folder), "sha256": "a1", "new_head": True}
    assert f"training starts from those of {folder} ({folder})" in printed
    assert "drawn anew for 10 classes: head" in printed
    train(tmp_path, study="drawn", data="fake:noise=0")
    with_and_without = [trials(tmp_path, study)[0] for study in ("s", "drawn")]
    reached = [row.test_accuracy or 0 for row in with_and_without]
    assert reached[0] == pytest.approx(reached[1] + 0.03)
    assert len({row.network_key for row in with_and_without}) == 2


def test_where_the_weights_are_is_no_part_of_the_question_but_their_checksum_is(tmp_path: Path) -> None:
    folder = make_weights(tmp_path / "weights")
    train(tmp_path, init=str(folder))
    folder.rename(tmp_path / "moved")
    assert "1 of 1 trials" in train(tmp_path, init=str(tmp_path / "moved"))
    make_weights(tmp_path / "moved", "b2")
    with pytest.raises(QuestionChanged, match=r"init sha256: 'a1' recorded, 'b2' now"):
        train(tmp_path, init=str(tmp_path / "moved"))
    with pytest.raises(QuestionChanged, match=r" init: .* recorded, nothing now"):
        train(tmp_path)


def test_a_study_goes_on_from_the_weights_that_it_began_with_when_their_name_means_others(
    tmp_path: Path,
) -> None:
    """The training saves a model under the very name that it started from."""
    train(tmp_path, study="first")
    train(tmp_path, init="trained_senet18", seed=1)
    assert queries.weights(tmp_path / "results.db", "trained_senet18") == tmp_path / "s" / "00001"
    train(tmp_path, init="trained_senet18", seed=1, runs=2)
    assert [config["init"]["folder"] for config in configs(tmp_path)] == [
        str(tmp_path / "first" / "00001")
    ] * 2


@pytest.mark.parametrize("init", ["first:1", "first", "FOLDER"])
def test_a_finished_training_answers_from_its_record_when_its_initial_weights_are_gone(
    tmp_path: Path, init: str
) -> None:
    train(tmp_path, study="first", save_as="first")
    given: dict[str, Any] = {"init": str(tmp_path / "first" / "00001") if init == "FOLDER" else init}
    train(tmp_path, **given)
    told = record(tmp_path)
    shutil.copytree(tmp_path / "first" / "00001", tmp_path / "copy")
    shutil.rmtree(tmp_path / "first")
    printed = train(tmp_path, **given)
    assert "1 of 1 run completed" in printed
    assert record(tmp_path) == told
    longer: list[dict[str, Any]] = [{"runs": 2}, {"runs": 2, "plan": True}]
    for more in longer:
        with pytest.raises(
            BadOption, match=r"began with \(SHA-256 .*\) are gone, and its unfinished .* copy"
        ):
            train(tmp_path, **given, **more)
    train(tmp_path, init=str(tmp_path / "copy"), runs=2)
    assert [row.attempts for row in trials(tmp_path)] == [1, 1]


def test_a_trial_of_another_study_is_a_start_too(tmp_path: Path) -> None:
    train(tmp_path, study="first", runs=2)
    train(tmp_path, init="first:2")
    assert configs(tmp_path)[0]["init"]["folder"] == str(tmp_path / "first" / "00002")


@pytest.mark.parametrize(("policy", "kept"), [(None, [1, 2, 3]), ("best", [1]), ("none", [])])
def test_the_weights_of_all_runs_are_kept_unless_fewer_are_asked_for(
    tmp_path: Path, policy: str | None, kept: list[int]
) -> None:
    printed = train(tmp_path, runs=3, keep_weights=policy)
    assert [row.number for row in trials(tmp_path) if row.weights_bytes is not None] == kept
    assert (f"weights of trained_senet18: {tmp_path / 's' / '00001'}" in printed) == bool(kept)
    if kept:
        assert queries.weights(tmp_path / "results.db", "trained_senet18") == tmp_path / "s" / "00001"
        told = json.loads((tmp_path / "s" / "00001" / "model.json").read_text())["provenance"]
        [model] = models(tmp_path)
        assert (told["name"], told["accuracy"]["mean"]) == ("trained_senet18", model.test_accuracy)


def test_a_first_run_that_lost_its_weights_does_not_stand_for_the_model(tmp_path: Path) -> None:
    train(tmp_path, runs=2)
    with Store(tmp_path / "results.db") as store:
        store.forget_weights(trials(tmp_path)[0].id)
    train(tmp_path, runs=2)
    [model] = models(tmp_path)
    assert model.trial_id == trials(tmp_path)[1].id


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"init": "nothing"}, NotOnRecord, "there is no model 'nothing'"),
        ({"init": "e:7"}, NotOnRecord, "no trial 7 in study 'e'"),
        ({"init": "e:1"}, WeightsMissing, "no weights of e:1 are kept"),
        ({"new_head": True}, BadOption, "--new-head has no effect without --init"),
        ({"save_as": "senet18"}, BadOption, "would hide the model it was made from"),
        ({"save_as": "a/b"}, BadOption, "cannot be the name of a folder"),
        ({"model": "no such"}, TrainerRefused, r"no network 'no such'; .*; saved models: mine$"),
        ({"model": "x@y"}, BadOption, "the study y has neither saved a model x nor started with one"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_a_reason(
    tmp_path: Path, given: dict[str, Any], error: type[Exception], words: str
) -> None:
    evaluate(tmp_path, study="e", runs=1, keep_weights="none")
    train(tmp_path, study="t", save_as="mine")
    with pytest.raises(error, match=words):
        train(tmp_path, **given)


def test_a_search_of_a_network_that_nobody_knows_names_the_saved_models(tmp_path: Path) -> None:
    run(tmp_path, study="n")
    with pytest.raises(TrainerRefused, match=r"no network 'no such'; .*; saved models: nomad_senet18$"):
        run(tmp_path, subject="no such")


def test_a_trainer_that_cannot_start_from_weights_is_not_asked_to(tmp_path: Path) -> None:
    folder = make_weights(tmp_path / "weights")
    with pytest.raises(BadOption, match=r"cannot start from weights .*; omit --init"):
        train(tmp_path, init=str(folder), data="fake:drawn")
    (folder / "model.json").write_text("{}")
    with pytest.raises(BadOption, match=r"--init: .*model\.json cannot be read"):
        train(tmp_path, init=str(folder))


def test_a_plan_trains_nothing_and_refuses_what_the_training_would(tmp_path: Path) -> None:
    printed = train(tmp_path, plan=True, runs=3)
    assert "trainings: 3 = 1 pair x 3 runs" in printed
    assert not (tmp_path / "results.db").exists()
    with pytest.raises(BadOption, match="nothing would be measured"):
        train(tmp_path, plan=True, no_test=True, validation_images=0)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "training-m-cifar10"),
        ({"init": "trained_m@a b"}, "training-m-from-trained_m-a-b-cifar10"),
        ({"init": "/data/weights/00012/"}, "training-m-from-00012-cifar10"),
        ({"demo": True}, "training-m-demo"),
        ({"study": "mine"}, "mine"),
    ],
)
def test_a_study_is_named_by_what_it_trains(given: dict[str, Any], name: str) -> None:
    assert TrainingOptions.resolve({"model": "m", **given}).study_name(["m"], "cifar10") == name


def test_a_demo_makes_a_base_network_narrower_and_leaves_a_saved_model_as_it_was_found(
    tmp_path: Path,
) -> None:
    demo: dict[str, Any] = {"demo": True, "budget": "10steps", "data": "fake:"}
    train(tmp_path, **demo)
    assert configs(tmp_path)[0]["scale"]["width"] == 0.25
    train(tmp_path, model="trained_senet18", study="again", **demo)
    config = configs(tmp_path, "again")[0]
    assert (config["scale"]["width"], config["hyperparameters"]) == (0.25, {"batch_size": 64})


def test_every_view_of_results_knows_a_final_training(tmp_path: Path) -> None:
    train(tmp_path, runs=2)
    database = tmp_path / "results.db"
    ranked = queries.evaluation(database, "s")
    assert (ranked["model"].tolist(), ranked["n"].tolist()) == (["senet18"], [2])
    [facts] = queries.studies(database).to_dict("records")
    assert (facts["kind"], facts["trainings"]) == ("training", 2)
    page = report.write(str(database), "s", tmp_path / "page.html")[0].read_text()
    assert "Final training" in page
    for absent in ("The shaded band", "Below the plot", "The solid line", "probability of reaching"):
        assert absent not in page
    assert "trained_senet18" in page
    for words in (
        ["show", "s"],
        ["trials", "s"],
        ["list"],
        ["models"],
        ["evaluation", "s"],
        ["show", "s", "1"],
    ):
        shown = CliRunner().invoke(main, [*words, "--db", str(database)])
        assert (shown.exit_code, shown.exception) == (0, None), words
    assert "trained_senet18 (trained): test accuracy" in CliRunner().invoke(
        main, ["show", "s", "--db", str(database)]
    ).output.replace("\n", " ")


def test_the_function_returns_the_study_with_its_model(tmp_path: Path) -> None:
    fake: dict[str, Any] = {
        "data": "fake:",
        "budget": "10steps",
        "device": "cpu",
        "slots": 1,
        "trainer": TRAINER,
    }
    trained = orchestrator.train("senet18", **fake, folder=tmp_path, runs=2, study="s", progress=False)
    assert trained.saved_models == ["trained_senet18"]
    assert trained.best is not None
    assert (trained.best["model"], trained.best["n"]) == ("senet18", 2)
    loaded = orchestrator.load_study("s", runs=tmp_path, trainer=TRAINER, device="cpu", slots=1)
    again: dict[str, Any] = {"model": "senet18", "data": "fake:", "budget": "10steps"}
    assert loaded.resume(**again, runs=3).facts["spent"] == 3

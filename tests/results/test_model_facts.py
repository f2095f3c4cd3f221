"""A trained network as the page, the report and a model card show it."""

from pathlib import Path

import pytest

from results import queries
from results.db.store import Store
from results.model_facts import compare_with_base, describe_model
from results.study_record import read_study
from tests.orchestrator._trained import MODEL, STUDY, make_study
from tests.results.records import complete, open_study


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(make_study(tmp_path, is_trained=False) / "results.db")


def test_the_network_found_is_beside_the_base_with_the_weights_that_stand_for_each(db: str) -> None:
    found, base = compare_with_base(read_study(db, STUDY))
    assert (found.role, found.row["number"], found.kept and found.kept["number"]) == ("found", 3, 4)
    assert (base.role, base.row["number"], base.kept and base.kept["number"]) == ("base", 1, 1)
    assert str(found.estimate) == "87.00% ([85.00, 89.00], n 2)"
    assert base.estimate is not None
    assert base.estimate.mean == pytest.approx(0.9)
    assert base.estimate.trainings == 2
    assert base.estimate.high is not None
    assert base.estimate.high <= 1, "an accuracy, although the posterior reaches beyond"
    assert found.files == {"model.safetensors": 2, "model.json": 2}


def test_files_that_are_gone_are_not_offered(db: str, tmp_path: Path) -> None:
    (tmp_path / "runs" / STUDY / "00004" / "model.json").unlink()
    found, _ = compare_with_base(read_study(db, STUDY))
    assert found.files == {}, "weights alone cannot be loaded"


def test_a_model_is_described_in_words_with_its_accuracy_and_what_it_saves(db: str) -> None:
    facts = describe_model(db, MODEL)
    assert facts["accuracy"] == {"mean": 0.87, "interval": [0.85, 0.89], "runs": 2}
    assert facts["MACs"] == "1.00M, 50% less than the base network's 2.00M"
    assert facts["latency"] == [{"device": "AMD, fp32, 1 thread", "batch": 1, "milliseconds": 4.5}]
    assert "the fewest MACs" in facts["how"]
    assert f"It is saved as model {MODEL} (confirmed)." in facts["how"]
    assert describe_model(db, f"{MODEL}@{STUDY}") == facts | {"name": f"{MODEL}@{STUDY}"}


def test_a_repeat_is_described_as_its_network_and_a_trial_that_lost_as_one(db: str) -> None:
    assert describe_model(db, f"{STUDY}:4")["how"] == describe_model(db, f"{STUDY}:3")["how"]
    base = describe_model(db, f"{STUDY}:1")
    assert base["how"].endswith(f"Trial 1 of the study {STUDY} (baseline).")
    assert base["MACs"] == "2.00M"


def test_the_score_that_a_study_seeks_is_named(tmp_path: Path) -> None:
    with Store(tmp_path / "results.db") as store:
        study = open_study(store, "s", objective={"maximise": "macro_f1"}, metric="macro_f1")
        for number, purpose in enumerate(("baseline", "baseline"), 1):
            complete(store, study, number, 1_000, 0.9, purpose=purpose, replicate=number - 1)
    facts = describe_model(str(tmp_path / "results.db"), "s:1")
    assert facts["accuracy"]["score"] == "macro F1"


def test_of_a_folder_nothing_is_known_but_its_files(db: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "runs" / STUDY / "00003")
    assert queries.weights(db, folder) == Path(folder)
    assert describe_model("no.db", folder) == {}

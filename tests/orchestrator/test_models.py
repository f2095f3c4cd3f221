"""Several studies have saved a model of one name: which one is taken, and what a resume goes on with."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.spec.command_options import BadOption
from orchestrator.study import plan
from orchestrator.trainer_client import Stopped
from results.db.store import Store
from results.errors import QuestionChanged
from tests.orchestrator._studies import evaluate, record, run, settled
from tests.orchestrator.search.test_loop import stopping_at

TUNED: dict[str, Any] = {"kind": "hpo", "subject": "nomad_senet18", "trials": 6, "study": "h"}
NAME = "nomad_senet18"


def save(folder: Path, study: str, width: float) -> None:
    """Have a study save a small network under the name."""
    with Store(folder / "results.db") as store:
        found = store.open_study(study, "nas", {"space": []}, 1, {}, None)
        scale = {"depth": 1.0, "width": width, "resolution": 1.0}
        known = {"macs": 1, "parameters": 1, "val_accuracy": 0.5, "status": "provisional"}
        store.save_model(
            name=NAME, network="senet18", **scale, dataset="fake:", recipe="nomad_haet", study_id=found.id,
            hyperparameters={"batch_size": 64}, **known,
        )  # fmt: skip


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A folder with a search of the model of `first` that was stopped."""
    save(tmp_path, "first", 0.5)
    with pytest.raises(Stopped):
        run(tmp_path, stopping_at(tmp_path / "h", 3), **TUNED)
    return tmp_path


def another_saves_one(folder: Path) -> None:
    save(folder, "second", 0.75)


def the_same_saves_another(folder: Path) -> None:
    save(folder, "first", 0.75)


def it_is_deleted(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "results.db", isolation_level=None)) as db:
        db.execute("DELETE FROM models")


def the_record_is_an_older_one_s(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "results.db", isolation_level=None)) as db:
        db.execute("UPDATE studies SET question = json_remove(question, '$.model') WHERE name = 'h'")
    save(folder, "second", 0.75)


@pytest.mark.parametrize(
    "happens", [another_saves_one, the_same_saves_another, it_is_deleted, the_record_is_an_older_one_s]
)
def test_the_same_command_resumes_whatever_became_of_its_model(
    begun: Path, tmp_path_factory: pytest.TempPathFactory, happens: Callable[[Path], None]
) -> None:
    happens(begun)
    run(begun, **TUNED)
    calm = tmp_path_factory.mktemp("calm")
    save(calm, "first", 0.5)
    run(calm, **TUNED)
    assert record(begun, "h") == record(calm, "h")


def test_a_study_of_a_built_in_model_goes_on_when_one_of_its_name_is_saved(tmp_path: Path) -> None:
    given = {**TUNED, "data": "fake:"}
    with pytest.raises(Stopped):
        run(tmp_path, stopping_at(tmp_path / "h", 3), **given)
    save(tmp_path, "first", 0.5)
    assert "network: built in" in run(tmp_path, **given)


def test_both_studies_are_named_and_either_model_can_be_taken(begun: Path) -> None:
    another_saves_one(begun)
    said = run(begun, **TUNED)
    line = "model nomad_senet18: from the study {}; {} saved one too, for which give --model nomad_senet18@{}"
    assert line.format("first", "second", "second") in said
    said = run(begun, **{**TUNED, "study": "new"})
    assert line.format("second", "first", "first") in said
    said = run(begun, **{**TUNED, "study": "chosen", "subject": f"{NAME}@first"})
    assert line.format("first", "second", "second") in said
    assert "network: saved by the study first (provisional): senet18 at depth 1, width 0.5" in said
    with pytest.raises(QuestionChanged, match=r"model.study: 'first' recorded, 'second' now"):
        run(begun, **{**TUNED, "subject": f"{NAME}@second"})
    with pytest.raises(BadOption, match=r"study third has neither saved a model nomad_senet18 nor"):
        run(begun, **{**TUNED, "subject": f"{NAME}@third"})


def test_a_plan_names_both_studies_too(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    another_saves_one(begun)
    plan.show_plan(settled(begun, **{**TUNED, "study": "new"}, plan=True), Console(width=200))
    assert "from the study second; first saved one too" in capsys.readouterr().out


def test_one_study_s_model_can_be_the_base_of_a_search(begun: Path) -> None:
    another_saves_one(begun)
    said = run(begun, subject=f"{NAME}@first", study="n", trials=4)
    assert "from the study first; second saved one too, for which give --base nomad_senet18@second" in said
    with pytest.raises(BadOption, match="would hide the model it was made from"):
        settled(begun, subject=f"{NAME}@first", save_as=NAME)


@pytest.mark.parametrize("older", [False, True])
def test_an_evaluation_goes_on_with_the_model_that_it_began_with(begun: Path, older: bool) -> None:
    given: dict[str, Any] = {"model": ["resnet18", NAME], "study": "e", "data": None, "batch_size": 32}
    evaluate(begun, runs=1, **given)
    if older:
        with closing(sqlite3.connect(begun / "results.db", isolation_level=None)) as db:
            path = f"$.pairs.{NAME} with nomad_haet.model"
            db.execute(
                "UPDATE studies SET question = json_remove(question, ?) WHERE name = 'e'",
                [path.replace(f"{NAME} with nomad_haet", f'"{NAME} with nomad_haet"')],
            )
    another_saves_one(begun)
    said = evaluate(begun, runs=2, **given)
    assert "from the study first; second saved one too, for which give --model nomad_senet18@second" in said
    assert {row["point"]["model"] for row in record(begun, "e")} == {"resnet18", NAME}
    said = evaluate(begun, **{**given, "study": "f", "model": [f"{NAME}@first"]})
    assert "from the study first" in said


@pytest.mark.parametrize(("subject", "width"), [(NAME, 0.5), ("senet18", 0.25)])
def test_a_demo_makes_a_base_network_narrower_and_no_saved_model(
    tmp_path: Path, subject: str, width: float
) -> None:
    save(tmp_path, "first", 0.5)
    run(tmp_path, **TUNED | {"subject": subject, "demo": True})
    with Store(tmp_path / "results.db", read_only=True) as store:
        found = store.study("h")
    assert found is not None
    assert found.question["scale"]["width"] == width


def test_a_base_network_can_be_evaluated_beside_what_was_found(tmp_path: Path) -> None:
    run(tmp_path, study="n", base_width=0.25, batch_size=32, ingredient=["cutout=null"])
    given: dict[str, Any] = {"model": ["senet18@n", NAME], "study": "e", "data": None}
    said = evaluate(tmp_path, runs=1, **given)
    assert "with which the study n started: senet18 at depth 1, width 0.25" in said
    evaluate(tmp_path, runs=2, **given)
    with Store(tmp_path / "results.db") as store:
        question = store.study("e").question  # type: ignore[union-attr]
    assert question["training"]["hyperparameters"] == {"batch_size": 32}
    assert question["training"]["ingredients"] == {"cutout": None}
    assert question["pairs"]["senet18 with nomad_haet"]["scale"]["width"] == 0.25
    rows = [(row["point"]["model"], row["replicate"]) for row in record(tmp_path, "e")]
    assert rows == [("senet18", 0), (NAME, 0), ("senet18", 1), (NAME, 1)]
    with pytest.raises(
        BadOption, match=f"model resnet18 nor started with one; there are: senet18@n, {NAME}@n"
    ):
        evaluate(tmp_path, **{**given, "model": ["resnet18@n"]})

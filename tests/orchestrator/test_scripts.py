"""Searches over a training script that knows nothing of this project."""

import io
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.service.schemas import restrict_options
from orchestrator.service.settings import Settings
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.names import name_script
from orchestrator.spec.search_options import HpoOptions
from orchestrator.study.check_trainer import check_trainer
from orchestrator.study.plan import show_plan
from orchestrator.study.run import run_study
from orchestrator.trainer_client import TrainerBroken
from orchestrator.training.options import TrainingOptions
from orchestrator.training.run import run_training
from results import queries
from results.errors import QuestionChanged, WeightsMissing
from tests.orchestrator._studies import trials

SCRIPT = """
import argparse, json, os, time
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--act")
given = parser.parse_args()
for epoch in range(3):
    accuracy = .9 - abs(given.lr - .3) + .01 * (given.act == "b") - .02 / (epoch + 1)
    print(json.dumps({"epoch": epoch, "progress": (epoch + 1) / 3, "NAME": accuracy}))
"""
SPACE = '[lr]\nlow = 0.0\nhigh = 0.8\nstart = 0.7\n[act]\nvalues = ["a", "b"]\n'
STUDY = "hpo-train-mine-script"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT.replace("NAME", "val_accuracy"))
    (tmp_path / "mine.toml").write_text(SPACE)
    return tmp_path


def asked(folder: Path, **given: Any) -> HpoOptions:
    usual = {"trainer": f"{sys.executable} {folder / 'train.py'}", "space": str(folder / "mine.toml")}
    return HpoOptions.resolve(
        {"budget": "60s", "trials": 8, "device": "cpu", "slots": 2, "runs": folder, **usual, **given}
    )


def shown(show: Callable[[Any, Console], object], request: HpoOptions) -> str:
    printed = io.StringIO()
    show(request, Console(file=printed, width=200))
    return printed.getvalue()


def searched(folder: Path, **given: Any) -> str:
    return shown(
        lambda request, console: run_study(request, console, threading.Event()), asked(folder, **given)
    )


def unseen() -> tuple[Console, threading.Event]:
    return Console(file=io.StringIO()), threading.Event()


def test_a_script_is_searched_confirmed_saved_and_resumed(folder: Path) -> None:
    printed = searched(folder)
    rows = trials(folder, STUDY)
    assert [row.state for row in rows if row.purpose == "search"].count("completed") == 6
    assert {row.macs for row in rows} == {None}
    assert rows[0].point == {"lr": 0.7, "act": "a"}
    assert rows[0].val_accuracy == pytest.approx(0.9 - 0.4 - 0.02 / 3)
    (model,) = queries.models(str(folder / "results.db")).to_dict("records")
    assert model["name"] == "tuned_train"
    best = model["hyperparameters"]
    assert f"--lr={best['lr']} --act={best['act']}" in printed.splitlines()[-1]
    assert "MACs" not in printed
    searched(folder, trials=10)
    again = trials(folder, STUDY)
    assert [row.id for row in again[:6]] == [row.id for row in rows[:6]]
    assert len(again) > len(rows)


def test_another_script_another_way_or_another_start_is_another_study(folder: Path) -> None:
    searched(folder, trials=3, confirm=0)
    for name, text in (("train.py", f"{SCRIPT}# changed"), ("mine.toml", SPACE.replace("start = 0.7", ""))):
        before = (folder / name).read_text()
        (folder / name).write_text(text)
        with pytest.raises(QuestionChanged, match=r"source|start lr"):
            searched(folder, trials=4, confirm=0)
        (folder / name).write_text(before)
    with pytest.raises(QuestionChanged, match="config as"):
        searched(folder, trials=4, confirm=0, config_as="environment")


def test_any_share_is_sought_by_its_name(folder: Path) -> None:
    (folder / "train.py").write_text(SCRIPT.replace("NAME", "hit_rate"))
    printed = searched(folder, trials=4, confirm=0, metric="hit_rate")
    rows = trials(folder, STUDY)
    assert [row.val_accuracy for row in rows] == [None] * 4
    assert rows[0].score == pytest.approx(0.9 - 0.4 - 0.02 / 3)
    assert "hit rate 49.33%" in printed


def test_a_plan_and_a_check_record_nothing(folder: Path) -> None:
    assert "goal: highest accuracy" in shown(show_plan, asked(folder, plan=True))
    told = shown(check_trainer, asked(folder, check_trainer=True)).splitlines()
    assert told == [
        told[0],
        "ok: a training has a result, accuracy 0.4933",
        "ok: 3 measurements on the way, 3 with their progress",
        "ok: it tells its machine",
        "not checked: SIGTERM, since a training ends before it would be sent",
        "the trainer does what a search needs",
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["mine.toml", "train.py"]


def test_a_check_says_what_is_wrong(folder: Path) -> None:
    (folder / "train.py").write_text("print(1)")
    printed = io.StringIO()
    with pytest.raises(TrainerBroken, match=r"ended as failed: .*the script ended without a line"):
        check_trainer(asked(folder, check_trainer=True), Console(file=printed, width=200))
    assert "log: 1\nlog: the script ended without" in printed.getvalue()
    (folder / "train.py").write_text("print('{\"val_accuracy\": 0.5}')")
    assert "ok: 1 measurements" in shown(check_trainer, asked(folder, check_trainer=True))


@pytest.mark.slow
def test_a_check_stops_a_script_that_goes_on(folder: Path) -> None:
    (folder / "train.py").write_text(
        "import time\nwhile True:\n print('{\"val_accuracy\": 0.5}'); time.sleep(.2)"
    )
    told = shown(check_trainer, asked(folder, check_trainer=True))
    assert "note: the script was stopped at its budget of 6 s" in told
    assert " s after SIGTERM" in told


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"space": "training"}, "without --model, --trainer is a script; give --space FILE.toml"),
        ({"space": "/no/such.toml"}, "--space /no/such.toml: cannot read /no/such.toml: No such file"),
        ({"recipe": "best"}, "--recipe has no effect with a script"),
        ({"train_images": "100"}, "--train-images has no effect with a script"),
        ({"max_params": "5M"}, "a script does not tell its params"),
        ({"demo": True}, "--demo has no effect with a script"),
        ({"trainer": "python 'train.py"}, "--trainer: No closing quotation"),
        ({"trainer": None}, "--model is missing"),
        ({"trainer": None, "model": "x", "data": "script"}, "--data script needs --trainer"),
        ({"model": "senet18", "metric": "hit_rate"}, "--metric hit_rate is unknown; give one of accuracy"),
        ({"model": "senet18", "config_as": "file"}, "--config-as has no effect with a trainer that knows"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_what_makes_no_sense_with_a_script_is_refused(
    folder: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadOption, match=words):
        shown(show_plan, asked(folder, plan=True, **given))


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python3.13 -u train.py --data x.csv --epochs 3", "train"),
        ("'./my dir/train me.sh' --epochs 3", "train_me"),
        ("python -m training", "training"),
        ("./train", "train"),
    ],
)
def test_studies_are_named_after_the_script(command: str, name: str) -> None:
    assert name_script(command) == name


def test_a_model_of_a_script_is_refused_where_a_network_is_needed(folder: Path) -> None:
    searched(folder, trials=3, confirm=0)
    given = {"device": "cpu", "db": str(folder / "results.db")}
    words = "the model tuned_train is what the study hpo-train-mine-script found for a script"
    for data in (None, "demo"):
        with pytest.raises(BadOption, match=words):
            run_study(HpoOptions.resolve({"model": "tuned_train", "data": data, **given}), *unseen())
        with pytest.raises(BadOption, match=words):
            run_training(TrainingOptions.resolve({"model": "tuned_train", "data": data, **given}), *unseen())
    with pytest.raises(WeightsMissing, match="a script trained tuned_train; what it wrote is in"):
        queries.weights(str(folder / "results.db"), "tuned_train")


def test_a_client_of_a_service_can_give_neither_a_script_nor_a_file_of_a_space(tmp_path: Path) -> None:
    owner = Settings(database=str(tmp_path / "r.db"), runs=tmp_path)
    for name in ("x.toml", "/tmp/x.py:space", "x.py:space"):
        with pytest.raises(BadOption, match="--space of a file can be given only on the command line"):
            restrict_options("hpo", "senet18", {"space": name}, owner)
    for name in ("trainer", "config_as"):
        with pytest.raises(BadOption, match="can be given only on the command line"):
            restrict_options("hpo", "senet18", {name: "words"}, owner)

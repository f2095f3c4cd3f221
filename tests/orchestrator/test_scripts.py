"""Searches over a training script that knows nothing of this project."""

import io
import re
import statistics
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy import stats

from orchestrator.service.queries import RecordQueries
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
from results import queries, tables
from results.errors import QuestionChanged, WeightsMissing
from results.format import relevant_settings
from results.optuna_mirror import export
from results.plots.path import steps, value
from results.report import write as write_report
from results.study_record import read_study
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


NUMBER = """
import argparse, json, os, random
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--act")
given = parser.parse_args()
seed = int(os.environ["NAS_SEED"])
if seed and given.act == "FAILS":
    raise SystemExit("bad luck")
for epoch in range(3):
    loss = 1000 * (given.lr - .3) ** 2 - 5 * (given.act == "b") - 10 / (epoch + 1)
    loss += random.Random(seed).gauss(0, .5)
    print(json.dumps({"progress": (epoch + 1) / 3, "loss": loss, "reward": -loss, "val_loss": "text"}))
"""


@pytest.mark.parametrize(("way", "name", "sign"), [("minimise", "loss", 1), ("maximise", "reward", -1)])
def test_any_number_is_searched_confirmed_shown_and_resumed(
    folder: Path, way: str, name: str, sign: int
) -> None:
    (folder / "train.py").write_text(NUMBER)
    printed = searched(folder, trials=16, **{way: name})
    rows, db = trials(folder, STUDY), str(folder / "results.db")
    assert rows[0].score == pytest.approx(sign * (1000 * 0.4**2 - 10 / 3), abs=3)
    found = [row for row in rows if row.purpose == "search" and row.score is not None]
    assert [row.objective for row in found] == [sign * (row.score or 0) for row in found]
    assert f"goal: {'lowest loss' if sign > 0 else 'highest reward'}" in printed
    assert "%" not in printed.replace(">99.9%", "")
    assert "images" not in printed
    (study,) = queries.study_rows(db)
    assert (study[way], study["metric"], study["is_share"]) == (name, name, False)
    repeats = [row for row in rows if row.purpose == "confirmation" and row.of_trial_number != 1]
    best = [row.score for row in repeats if row.of_trial_number == study["best_trial"] and row.score]
    assert study["best_mean_accuracy"] == pytest.approx(statistics.mean(best))
    (model,) = queries.models(db).to_dict("records")
    assert (model["val_accuracy"], model["trainings"]) == (pytest.approx(statistics.mean(best)), len(best))
    interval = stats.t.interval(0.95, len(best) - 1, statistics.mean(best), stats.sem(best))
    assert (model["accuracy_low"], model["accuracy_high"]) == pytest.approx(interval)
    assert sign * model["difference"] < 0
    assert model["probability"] > 0.95
    record = read_study(db, STUDY)
    heights = [value(record, step.provisional) for step in steps(record) if step.provisional]
    assert heights == sorted(heights, reverse=sign > 0), "the best so far falls for a loss"
    searched(folder, trials=16, **{way: name})
    assert [row.id for row in trials(folder, STUDY)] == [row.id for row in rows]


def test_tables_and_the_page_have_a_number_as_it_is_and_no_sizes(folder: Path) -> None:
    (folder / "train.py").write_text(NUMBER)
    searched(folder, trials=10, minimise="loss")
    db = str(folder / "results.db")
    (study,) = queries.study_rows(db)
    mean = f"{study['best_mean_accuracy']:.6g}"
    shown_tables = [
        tables.studies_table([study]),
        tables.best_table(queries.best(db)),
        tables.models_table(queries.models(db)),
        tables.trials_table(queries.trials(db, STUDY), study),
    ]
    for table in shown_tables[:3]:
        assert mean in {cell for column in table.columns for cell in column.cells}
    for table in shown_tables[1:]:
        assert {"MACs", "params", "val acc"}.isdisjoint({column.header for column in table.columns})
    record = RecordQueries(db)
    told = record.study(STUDY)
    record.close()
    assert told is not None
    assert told["best"]["mean_accuracy"] == study["best_mean_accuracy"]
    assert told["sought"] == {
        "name": "loss",
        "noun": "loss",
        "column": "score",
        "is_own": True,
        "is_share": False,
        "is_lower_better": True,
    }


def test_a_candidate_whose_repeat_fails_does_not_win_with_any_number(folder: Path) -> None:
    """As a number 0 would be a good loss, and the worst there is has no place in a mean."""
    (folder / "train.py").write_text(NUMBER.replace("FAILS", "b"))
    searched(folder, trials=24, minimise="loss")
    rows, db = trials(folder, STUDY), str(folder / "results.db")
    assert {row.state for row in rows if row.purpose == "confirmation"} == {"completed", "failed"}
    (model,) = queries.models(db).to_dict("records")
    (study,) = queries.study_rows(db)
    assert model["hyperparameters"]["act"] == "a"
    assert study["best_trial"] == model["trial"]


def test_numbers_of_any_size_are_searched_and_mirrored(folder: Path) -> None:
    source = "import sys; print('{\"loss\": %s}' % {'a': '-1e300', 'b': '1e300'}[sys.argv[-1][-1]])"
    (folder / "train.py").write_text(source)
    printed = searched(folder, trials=12, minimise="loss")
    assert "restarting" not in printed
    assert {row.score for row in trials(folder, STUDY)} == {-1e300, 1e300}
    assert write_report(str(folder / "results.db"), STUDY, folder / "report.html")
    mirrored = export(str(folder / "results.db"), STUDY, str(folder / "optuna.db"))
    assert mirrored.added == len(trials(folder, STUDY))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"maximise": "reward"}, "a number of a script's own is sought alone; omit one of them"),
        ({"minimise": "a b"}, "'a b' cannot be a number's name"),
        ({"min_accuracy": 0.5}, "--min-accuracy 0.5 has no effect with the goal 'lowest loss'; omit it"),
        ({"metric": "f1"}, "--metric is about a share in [0, 1], not 'lowest loss'; omit it"),
        ({"pruner": "median"}, "--pruner is about a share"),
        ({"early_stop": 0.1}, "--early-stop is about a share"),
        ({"validation_images": "9"}, "--validation-images is about a share"),
        ({"tolerance": 0.1}, "--tolerance 0.1 has no effect with the goal 'lowest loss'"),
        ({"model": "senet18"}, "--minimise loss is unknown; give one of macs"),
        ({"minimise": "macs"}, "a script does not tell its macs"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_what_makes_no_sense_with_any_number_is_refused(
    folder: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadOption, match=re.escape(words)):
        shown(show_plan, asked(folder, plan=True, **{"minimise": "loss", **given}))


def test_a_plan_warns_of_a_program_or_a_script_that_is_not_here(folder: Path) -> None:
    for trainer in (f"/no/such/python {folder / 'train.py'}", f"{sys.executable} /no/such.py"):
        missing = next(word for word in trainer.split() if word.startswith("/no"))
        assert f"warning: there is no {missing} on this" in shown(show_plan, asked(folder, trainer=trainer))
    assert "warning" not in shown(show_plan, asked(folder))


def test_a_script_that_is_given_a_model_is_said_to_need_none(folder: Path) -> None:
    with pytest.raises(
        TrainerBroken, match="A script that knows no `describe` is searched by hpo-search witho"
    ):
        shown(show_plan, asked(folder, model="senet18", space="training"))


def test_the_settings_of_a_script_s_study_name_no_recipe_and_no_images(folder: Path) -> None:
    searched(folder, trials=3, confirm=0)
    (study,) = queries.study_rows(str(folder / "results.db"))
    shown_settings = relevant_settings(study["question"])
    assert shown_settings["training"] == {
        "budget": {"seconds": 60.0},
        "seed": 0,
        "device": "cpu",
        "validation_images": 1000,
    }
    assert "scale" not in shown_settings
    assert shown_settings["trainer"] == study["question"]["trainer"]


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

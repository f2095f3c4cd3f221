"""A study without a result does not keep its name from another question."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.search.baseline import BaselineFailed
from orchestrator.study import plan
from orchestrator.trainer_client import TrainerRefused
from results.db.store import Store
from results.db.tables import Event
from results.errors import QuestionChanged
from tests.orchestrator._studies import command, evaluate, record, run, settled, trials

Ask = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    """A folder with a study whose first training was refused."""
    with pytest.raises(TrainerRefused):
        run(tmp_path, data="fake:refuse_late")
    return tmp_path


def events(folder: Path) -> list[Event]:
    with Store(folder / "results.db", read_only=True) as store:
        [study] = store.studies()
        return store.events(study.id)


@pytest.mark.parametrize(
    ("ask", "given"),
    [
        (run, {"seed": 3}),
        (run, {"kind": "hpo", "trials": 3}),
        (run, {"subject": "resnet18", "solver": "tpe", "trials": 4}),
        (evaluate, {}),
    ],
    ids=["seed", "kind", "network", "evaluation"],
)
def test_another_question_replaces_a_study_whose_first_trial_was_refused(
    refused: Path, tmp_path_factory: pytest.TempPathFactory, ask: Ask, given: dict[str, Any]
) -> None:
    said = ask(refused, **given)
    aside = refused / "s" / "earlier-1"
    assert (
        "the study s has other settings and no result, so it starts anew; trials removed: 1, "
        f"their files are in {aside}\n" in said
    )
    assert "refuse_late" in (aside / "00001" / "trial.json").read_text()
    calm = tmp_path_factory.mktemp("calm")
    ask(calm, **given)
    assert record(refused) == record(calm)
    [event] = [event for event in events(refused) if event.kind == "asked_anew"]
    assert event.detail["trials"] == [
        {
            "number": 1,
            "state": "failed",
            "reason": "refused",
            "message": "refused as asked; leave refuse_late out of the data set",
        }
    ]
    assert event.detail["changed"]


def test_a_plan_says_that_the_study_starts_anew_and_leaves_it(
    refused: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan.show_plan(settled(refused, seed=3, plan=True), Console(width=200))
    assert "the study s has other settings and no result, so it starts anew\n" in capsys.readouterr().out
    assert [row.reason for row in trials(refused)] == ["refused"]


def test_an_evaluation_that_failed_is_replaced_by_another_one(tmp_path: Path) -> None:
    evaluate(tmp_path, data="fake:nan")
    assert "trials removed: 2" in evaluate(tmp_path, budget="20steps")
    assert [row.state for row in trials(tmp_path)] == ["completed", "completed"]


def test_a_study_that_found_no_accuracy_is_replaced_with_its_budget_and_its_baseline(tmp_path: Path) -> None:
    with pytest.raises(BaselineFailed):
        run(tmp_path, data="fake:crash=1", max_gpu_hours=5)
    run(tmp_path, seed=1)
    with Store(tmp_path / "results.db", read_only=True) as store:
        [study] = store.studies()
    assert (study.state, study.budget_slot_hours, study.baseline_replicates) == ("finished", None, 2)


def test_the_same_question_resumes_and_trains_the_refused_trial_again(refused: Path) -> None:
    assert "resuming: 1 of 1" in run(refused)
    first = trials(refused)[0]
    assert (first.state, first.attempts) == ("completed", 2)
    assert not (refused / "s" / "earlier-1").exists()


@pytest.mark.parametrize("state", ["completed", "pruned", "running"])
def test_a_study_with_a_result_or_a_training_to_come_is_never_replaced(refused: Path, state: str) -> None:
    with closing(sqlite3.connect(refused / "results.db")) as db, db:
        db.execute("UPDATE trials SET state = ?", [state])
    for ask in (run, evaluate):
        with pytest.raises(QuestionChanged, match=r"seed: 0 recorded, 3 now.*give another --study"):
            ask(refused, seed=3)
    assert len(trials(refused)) == 1


def test_a_study_that_is_asked_anew_starts_from_the_newest_model(tmp_path: Path) -> None:
    run(tmp_path, study="first", trials=4)
    tuned: dict[str, Any] = {"kind": "hpo", "subject": "nomad_senet18", "trials": 2, "slots": 1}
    with pytest.raises(TrainerRefused):
        run(tmp_path, **tuned, data="fake:refuse_late")
    run(tmp_path, study="second", trials=4, seed=3)
    assert "from the study second" in run(tmp_path, **tuned, seed=1)


SMALL = (
    *("--base", "senet18", "--study", "s", "--data", "fake:", "--budget", "10steps", "--trials", "8"),
    *("--solver", "random", "--confirm", "0", "--replicates", "2", "--tolerance", "0.01", "--slots", "1"),
)
KILLED = """
import os, signal, sys
from orchestrator.cli import commands
from orchestrator.study import session
from pathlib import Path
from results.db import store

def dies(module, name, first):
    act = getattr(module, name)
    def acts(*words, **given):
        if first:
            os.kill(os.getpid(), signal.SIGKILL)
        act(*words, **given)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(module, name, acts)

dies(*{"before": (Path, "rename", True), "aside": (Path, "rename", False),
       "written": (store, "_remove", False), "put aside": (session, "put_trials_aside", False),
       "opened": (session, "record_end", True)}[sys.argv.pop(1)])
sys.argv = sys.argv[1:]
commands.nas_search()
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "aside", "put aside", "written", "opened"])
def test_a_kill_leaves_the_old_study_or_the_new_one_and_the_same_command_goes_on(
    refused: Path, tmp_path_factory: pytest.TempPathFactory, moment: str
) -> None:
    typed = command(refused, *SMALL, "--seed", "3")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, moment, *typed[typed.index("nas-search") :]],
        capture_output=True,
        timeout=100,
    )
    assert killed.returncode == -signal.SIGKILL
    with Store(refused / "results.db", read_only=True) as store:
        [study] = store.studies()
        left = study.question["training"]["seed"], len(store.trials(study.id))
    assert left == ((3, 0) if moment == "opened" else (0, 1)), "all of the transaction, or nothing"
    run(refused, seed=3)
    calm = tmp_path_factory.mktemp("calm")
    run(calm, seed=3)
    assert record(refused) == record(calm)

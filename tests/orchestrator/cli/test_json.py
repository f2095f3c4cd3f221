"""Commands that train as a script reads them: JSON lines on standard output, and nothing else."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.cli.main import report_errors
from orchestrator.console import json_lines
from orchestrator.service import auth
from tests.orchestrator._processes import eventually
from tests.orchestrator._serving import ASKED
from tests.orchestrator._studies import TRAINER, command, trials, typed

FEW = ("--study=s", "--data=fake:", "--budget=10steps", "--json")
SEARCH = ("--solver=random", "--trials=16", "--replicates=2", "--confirm=2", "--tolerance=.02")
NAS = ("--base=senet18", *FEW, *SEARCH)
OTHERS = {
    "hpo_search": ("--model=senet18", *FEW, "--trials=4"),
    "nas_evaluate": ("--model=senet18", *FEW, "--runs=2"),
    "nas_train": ("--model=senet18", *FEW),
}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_search_tells_each_training_and_its_end(tmp_path: Path) -> None:
    ended = typed(tmp_path, *NAS)
    assert ended.returncode == 0, ended.stderr
    events, rows = lines(ended.stdout), trials(tmp_path)
    told = [event for event in events if event["event"] == "trial_ended"]
    assert {one["trial"] for one in told} == {row.number for row in rows if row.state == "completed"}
    by_number = {row.number: row for row in rows}
    for one in told:
        row = by_number[one["trial"]]
        assert (one["accuracy"], one["macs"], one["point"]) == (row.val_accuracy, row.macs, row.point)
    last = events[-1]
    assert (last["event"], last["exit_code"], last["error"]) == ("end", 0, None)
    assert (last["study"]["name"], last["study"]["state"]) == ("s", "finished")
    assert last["study"]["best_trial"] in by_number
    assert [model["name"] for model in last["study"]["models"]] == ["nomad_senet18"]
    assert "study s in " in ended.stderr
    again = lines(typed(tmp_path, *NAS).stdout)
    assert [event["event"] for event in again] == ["end"], "it was answered from its record"
    assert again[-1]["study"]["best_trial"] == last["study"]["best_trial"]


@pytest.mark.parametrize("program", OTHERS)
def test_all_commands_that_train_do(tmp_path: Path, program: str) -> None:
    ended = typed(tmp_path, *OTHERS[program], program=program)
    assert ended.returncode == 0, ended.stderr
    events = lines(ended.stdout)
    assert [event["event"] for event in events].count("trial_ended") >= 1
    assert events[-1]["study"]["state"] == "finished"


def test_a_plan_is_one_object_and_an_end(tmp_path: Path) -> None:
    plan, end = lines(typed(tmp_path, *NAS, "--plan").stdout)
    assert (end["event"], end["exit_code"], end["error"], end["study"]) == ("end", 0, None, None)
    assert plan["event"] == "plan"
    assert plan["lines"][0] == "plan of the study s; nothing is started"
    assert not any(line.endswith(("baseline,", "an")) for line in plan["lines"]), "no line is folded"


def test_what_is_refused_is_the_error_of_the_end(tmp_path: Path) -> None:
    ended = typed(tmp_path, *NAS, "--trials=2")
    assert ended.returncode == 2
    (end,) = lines(ended.stdout)
    assert (end["event"], end["exit_code"], end["study"]) == ("end", 2, None)
    assert end["error"] in ended.stderr
    assert "--trials 2 leaves no training for the search" in end["error"]


def test_a_fault_of_this_program_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a fault")

    with pytest.raises(ZeroDivisionError):
        report_errors("nas-search", fail, json_lines.emit_end)
    (end,) = lines(capsys.readouterr().out)
    assert (end["event"], end["exit_code"], end["error"]) == ("end", 1, "ZeroDivisionError: a fault")


def test_a_stopped_search_ends_with_130(tmp_path: Path) -> None:
    words = command(tmp_path, *NAS, "--data=fake:sleep=5")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert eventually(lambda: "trial_started" in (process.stdout.readline() if process.stdout else ""))
        process.send_signal(signal.SIGTERM)
        end = lines(process.stdout.read())[-1]
    assert process.returncode == end["exit_code"] == 130
    assert end["error"] == "stopped by the user"


@pytest.mark.slow
def test_a_service_tells_where_it_is_and_each_search_that_it_runs(tmp_path: Path) -> None:
    program = "import sys; from orchestrator.service import cli; sys.argv[0] = 'nas-serve'; cli.main()"
    words = [sys.executable, "-c", program, "--json", f"--runs={tmp_path}", f"--trainer={TRAINER}"]
    with subprocess.Popen([*words, "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        known = {"event": "serving", "runs": str(tmp_path), "needs_token": False}
        assert first == {**known, "address": first["address"]}
        answer = httpx.post(f"{first['address']}/api/studies", json=ASKED, trust_env=False)
        assert answer.is_success, answer.text
        began, ended = (json.loads(process.stdout.readline()) for _ in range(2))
        assert (began["event"], began["study"], began["kind"]) == ("study_started", "s", "nas")
        end = {"study": "s", "state": "finished", "message": "the search has spent its 6 trainings"}
        assert ended == {"event": "study_ended", **end}
        refused = subprocess.run([*words, "--port=0"], capture_output=True, text=True, check=False)
        process.send_signal(signal.SIGINT)
    assert refused.returncode == 2
    (end,) = lines(refused.stdout)
    assert "another nas-serve serves" in end["error"]


def test_a_service_s_new_token_is_an_event(tmp_path: Path) -> None:
    program = "import sys; from orchestrator.service import cli; cli.main()"
    words = [sys.executable, "-c", program, "--new-token", "--json", f"--runs={tmp_path}"]
    made = subprocess.run(words, capture_output=True, text=True, check=True)
    token, end = lines(made.stdout)
    assert auth.has_hash(token["token"], auth.read(Path(token["file"])))
    assert (end["event"], end["exit_code"]) == ("end", 0)

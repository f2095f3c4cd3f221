"""The way of a user, with the real trainer on real images, and with Ctrl-C in the middle.

Few trainings of few steps: each is a process that imports torch, which takes longer than the training.
"""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from results.cli.commands import main
from search_spaces import recipe
from tests.orchestrator._processes import eventually, naming
from tests.orchestrator._studies import RUN_COMMAND, command, record, trials, typed

SMALL = ["--data", "digits", "--budget", "4steps", "--train-images", "600", "--validation-images", "100"]
ON_TWO_SLOTS = ["--slots", "2", "--device", "cpu"]
NAS, HPO = "nas-senet18-digits", "hpo-nomad_senet18-recipe-digits"


@pytest.mark.timeout(400)  # for machines that do much else
def test_a_network_is_found_and_the_record_read(tmp_path: Path) -> None:
    """nas-search, nas-results, and plain SQL on the views."""
    search(tmp_path)
    check_what_was_read(tmp_path / "results.db", NAS)
    check_what_sql_reads(tmp_path / "results.db", NAS)
    check_what_was_trained(tmp_path, NAS)


@pytest.mark.slow
def test_a_network_is_found_then_tuned_and_the_record_read(tmp_path: Path) -> None:
    """The same, with hpo-search over recipes for the model that nas-search saved in between."""
    search(tmp_path)
    hpo = ["--model", "nomad_senet18", "--solver", "tpe", "--space", "recipe", "--trials", "2"]
    said = own("hpo_search", tmp_path, *hpo, *SMALL, *ON_TWO_SLOTS)
    assert f"saved by the study {NAS}" in said
    check_what_was_read(tmp_path / "results.db", NAS, HPO)
    check_what_sql_reads(tmp_path / "results.db", NAS, HPO)
    check_what_was_trained(tmp_path, NAS, HPO)
    for row in trials(tmp_path, HPO):
        assert row.config is not None
        assert row.config["ingredients"] == recipe.ingredients(row.point or {})


def search(folder: Path) -> None:
    nas = ["--base", "senet18", "--base-width", ".125", "--replicates", "1", "--confirm", "0"]
    nas += ["--force"]  # four steps teach little
    said = own("nas_search", folder, *nas, *SMALL, *ON_TWO_SLOTS, "--tolerance", "1", "--trials", "2")
    assert "saved as model nomad_senet18 (provisional: " in said
    assert "next: hpo-search --model nomad_senet18" in said


def own(program: str, folder: Path, *arguments: str) -> str:
    """Run a command with the project's own trainer: what it printed."""
    words = [sys.executable, "-P", "-c", RUN_COMMAND.format(program), program, "--runs", str(folder)]
    ended = subprocess.run([*words, *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def results(database: Path, *arguments: str) -> list[dict[str, Any]]:
    """What `nas-results` prints as JSON."""
    program = "import sys; from results.cli.commands import main; sys.argv[0] = 'nas-results'; main()"
    words = [sys.executable, "-P", "-c", program, *arguments, "--json", "--db", str(database)]
    found: list[dict[str, Any]] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return found


def check_what_was_read(database: Path, *names: str) -> None:
    studies = results(database, "list")
    assert [(study["name"], study["state"]) for study in studies] == [(name, "finished") for name in names]
    searched = json.loads(CliRunner().invoke(main, ["trials", NAS, "--json", "--db", str(database)]).stdout)
    trained = [trial for trial in searched if trial["state"] == "completed"]
    assert [trial["purpose"] for trial in trained] == ["baseline", "search"]
    assert all(trial["steps"] == 4 and trial["versions"]["torch"] for trial in trained)


def check_what_sql_reads(database: Path, *names: str) -> None:
    """The views, through sqlite3 alone, as docs and users read them."""
    with closing(sqlite3.connect(database)) as connection:
        best = connection.execute("SELECT study, macs FROM best_trials ORDER BY kind DESC").fetchall()
        base, found = connection.execute("SELECT MAX(macs), MIN(macs) FROM completed_trials").fetchone()
        curves = connection.execute("SELECT COUNT(DISTINCT study || trial) FROM learning_curves").fetchone()
    assert best == [(name, found) for name in names]
    assert found < base
    assert curves == (2 * len(names),)


def check_what_was_trained(folder: Path, *names: str) -> None:
    for row in (row for name in names for row in trials(folder, name)):
        if row.state == "completed":
            assert row.folder is not None
            assert (Path(row.folder) / "metrics.jsonl").read_text().count('"final"') == 1
            assert row.val_accuracy is not None
            assert 0 <= row.val_accuracy <= 1


def test_ctrl_c_stops_at_once_and_the_same_command_goes_on(tmp_path: Path) -> None:
    asked = ["--base", "senet18", "--study", "s", "--data", "fake:held", "--budget", "10steps"]
    asked += ["--trials", "5", "--replicates", "1", "--confirm", "0", "--tolerance", ".01"]
    asked += ["--solver", "random", "--slots", "2"]
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "held").touch()
    study = subprocess.Popen(
        command(tmp_path, *asked), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with study:
        assert eventually(lambda: searching(tmp_path), 60), "no trial of the search ever began"
        study.send_signal(signal.SIGINT)
        said, complaint = study.communicate(timeout=60)
    assert (study.returncode, complaint) == (130, "")
    assert "stopped; finished trials are kept. To resume: nas-search --trainer" in said
    assert eventually(lambda: naming(tmp_path) == []), "a process is left over"
    assert [row.state for row in trials(tmp_path)].count("running") > 0
    (tmp_path / "s" / "held").unlink()
    resumed = typed(tmp_path, *asked)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert "resuming" in resumed.stdout
    assert [row["state"] for row in record(tmp_path)].count("completed") == 5


def searching(folder: Path) -> bool:
    """Whether a trainer is at work on a trial of the search, after that of the base network."""
    return any(naming(trial) for trial in (folder / "s").glob("0000[2-9]"))

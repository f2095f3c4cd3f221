"""`nas-results`, by its commands."""

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from results.cli.commands import main
from results.db import schema
from results.db.store import Store
from tests.results.processes import ROOT
from tests.results.records import open_study

COMMANDS = (
    ("list",),
    ("trials", "nas-demo"),
    ("best",),
    ("show", "nas-demo"),
    ("show", "nas-demo", "3"),
    ("models",),
    ("slack", "nas-demo"),
)


def run(*arguments: str, db: str) -> str:
    """What the command says, having succeeded."""
    result = CliRunner().invoke(main, [*arguments, "--db", db])
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def refused(*arguments: str, db: str) -> str:
    """What the command says, having been refused in one line."""
    result = CliRunner().invoke(main, [*arguments, "--db", db])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def strictly(text: str) -> Any:
    """The JSON document, in which NaN and the infinities have no place."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_one_json_document_of_objects(record: str, command: tuple[str, ...]) -> None:
    objects = strictly(run(*command, "--json", db=record))
    assert isinstance(objects, list)
    assert all(isinstance(found, dict) for found in objects)
    assert objects


def test_list_tells_each_study_s_progress_and_best(record: str) -> None:
    head, nas, hpo = run("list", db=record).splitlines()
    columns = "study kind state trainings device-hours left best MACs best acc updated"
    assert " ".join(head.split()) == columns
    assert nas.split()[:6] == ["nas-demo", "nas", "finished", "8/12", "0.00", "-"]
    assert hpo.split()[:6] == ["hpo-demo", "hpo", "running", "3/12", "0.00", "-"]


def test_trials_tells_what_came_of_each(record: str) -> None:
    lines = run("trials", "nas-demo", db=record).splitlines()[1:]
    outcomes = [re.split(r"\s{2,}", line.strip())[1] for line in lines]
    assert outcomes == [
        "baseline", "below required accuracy", "met once, unconfirmed", "best", "met once, unconfirmed",
        "failed: timeout", "skipped: not smaller than the base", "same as 4", "running", "repeat",
    ]  # fmt: skip


def test_trials_of_an_hpo_study_show_the_hyperparameters_that_differ(record: str) -> None:
    head = run("trials", "hpo-demo", db=record).splitlines()[0].split()
    assert "optimizer" in head
    assert "lr" in head
    assert "width" not in head


def test_best_tells_the_network_and_its_hyperparameters(record: str) -> None:
    hpo, nas = run("best", db=record).splitlines()[1:]
    assert "senet18, width 0.5, optimizer adam, lr 0.003" in hpo
    assert nas.split()[:5] == ["nas-demo", "4", "5.00M", "0.25M", "89.00%"]
    assert ("confirmed" in nas, "provisional" in hpo) == (True, True), "as their saved models are"
    assert len(run("best", "nas-demo", db=record).splitlines()) == 2


def test_slack_tells_the_cheapest_network_at_each_bound(record: str) -> None:
    lines = [line.split() for line in run("slack", "nas-demo", db=record).splitlines()]
    assert lines[0] == [
        "trade-off",
        "required",
        "evidence",
        "trial",
        "MACs",
        "params",
        "val",
        "acc",
        "95%",
        "interval",
        "n",
        "probability",
    ]
    assert lines[1][:7] == ["-0.50", "88.50%", "estimate", "4", "5.00M", "0.25M", "89.00%"]
    assert lines[7][:7] == ["+0.25", "89.25%", "estimate", "5", "5.00M", "0.25M", "89.50%"]
    assert lines[8] == ["+0.25", "89.25%", "at", "95%", "confidence", *["-"] * 7], "none was trained again"


def test_slack_of_a_study_without_a_bound_is_refused(record: str) -> None:
    assert "has no required accuracy" in refused("slack", "hpo-demo", db=record)


def test_show_tells_a_study_in_words(record: str) -> None:
    said = run("show", "nas-demo", db=record)
    assert "finished: the budget of 12 trials is spent" in said
    assert "at least 89.00%; baseline 90.00% (sd 0.40, n 3)" in said
    assert "1 failed" in said
    assert "1 timeout" in said
    assert "trial 4: 89.00% (n = 1) at 5.00M MACs" in said
    assert "nomad_senet18 (confirmed)" in said
    assert re.search(r"space\.width\.high +1\.0", said)
    assert 'bound (trial 1) {"min_accuracy": 0.89}' in said


def test_show_tells_a_trial_with_its_curve(record: str) -> None:
    said = run("show", "nas-demo", "3", db=record)
    assert "3 of study nas-demo" in said
    assert '"width": 0.6' in said
    assert re.search(r"2 +- +1\.0 +- +- +- +91\.00%", said)


@pytest.mark.parametrize("study", ["nas-demo", "hpo-demo"])
def test_show_says_of_a_trial_what_trials_says(record: str, study: str) -> None:
    for line in run("trials", study, db=record).splitlines()[1:]:
        number, outcome = re.split(r"\s{2,}", line.strip())[:2]
        assert re.search(
            rf"^outcome +{re.escape(outcome)}$", run("show", study, number, db=record), re.MULTILINE
        )


def test_show_tells_why_a_trial_failed_and_where_its_log_is(record: str) -> None:
    said = run("show", "nas-demo", "6", db=record)
    assert "failed: timeout" in said
    assert "no end after 30 s; killed" in said
    assert "runs/nas-demo/6/log.txt" in said


def test_show_of_a_trial_that_there_is_not_tells_those_there_are(record: str) -> None:
    assert "no trial 99 in study 'nas-demo'; there are 1 to 10" in refused(
        "show", "nas-demo", "99", db=record
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "nas-demo", "y"), "y is not a whole number; give one like 12; see nas-results show --help"),
        (("nope",), "No such command 'nope'; see nas-results --help"),
        (("--nope",), "No such option: --nope; see nas-results --help"),
        (("trials",), "Missing argument 'STUDY'; see nas-results trials --help"),
    ],
)
def test_words_that_cannot_be_read_are_refused_in_one_line(words: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(main, words, prog_name="nas-results")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith(f"{said}\n")


@pytest.mark.parametrize("command", [("trials",), ("best",), ("show",), ("export", "--to", "x.csv")])
def test_an_unknown_study_is_answered_with_the_known_ones(record: str, command: tuple[str, ...]) -> None:
    assert "there are nas-demo, hpo-demo" in refused(*command, "nas-dem", db=record)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_database_is_told_of(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert "run a search first" in refused(*command, db=str(tmp_path / "results.db"))


SPACE = [{"name": "width", "kind": "real", "low": 0.5, "high": 1.0, "log": False, "granularity": None}]


@pytest.mark.parametrize(
    "command",
    [
        *(("list",), ("trials", "s"), ("best",), ("best", "s"), ("show", "s"), ("slack", "s"), ("models",)),
        *(("export", "s", "--to", "s.csv"), ("export", "s", "--to", "s.parquet")),
        *(("export", "s", "--to", "s.json"), ("export", "s", "--optuna", "o.db")),
        *(("mirror", "s", "--optuna", "o.db"), ("report", "s")),
    ],
    ids=" ".join,
)
def test_a_study_without_trials_is_told_of_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Store(tmp_path / "results.db") as store:
        study = open_study(store, "s", space=SPACE)
        store.end_study(study.id, "failed", "the baseline failed")
    result = CliRunner().invoke(main, [*command, "--db", str(tmp_path / "results.db")])
    assert result.exit_code == 0 or (result.exit_code == 2 and result.stderr.startswith("error: "))


def test_export_writes_the_file_and_says_so(record: str, tmp_path: Path) -> None:
    to = tmp_path / "trials.csv"
    assert run("export", "nas-demo", "--to", str(to), db=record) == f"10 trials written to {to}\n"
    assert len(to.read_text().splitlines()) == 11


def test_export_refuses_a_suffix_it_does_not_know(record: str, tmp_path: Path) -> None:
    assert "unknown format 'xls'" in refused("export", "nas-demo", "--to", str(tmp_path / "x.xls"), db=record)


def test_a_newer_schema_is_told_of(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    Store(db).close()
    newer = sqlite3.connect(db)
    with newer:
        newer.execute("UPDATE alembic_version SET version_num = '0999'")
    newer.close()
    assert "run pip install -e ." in refused("list", db=str(db))
    assert "run pip install -e ." in refused("migrate", db=str(db))


def test_migrate_leaves_a_database_of_this_version_as_it_is(tmp_path: Path) -> None:
    db = str(tmp_path / "results.db")
    with Store(db) as store:
        open_study(store)
    assert f"is at schema {schema.REVISION}" in run("migrate", db=db)
    assert len(run("list", db=db).splitlines()) == 2


def test_migrate_makes_no_database(tmp_path: Path) -> None:
    assert "there is no database" in refused("migrate", db=str(tmp_path / "results.db"))
    assert not list(tmp_path.iterdir())


def test_the_database_is_taken_from_the_environment(record: str) -> None:
    result = CliRunner().invoke(main, ["best", "--json"], env={"NAS_DB": record})
    assert [best["trial"] for best in strictly(result.stdout)] == [2, 4]


def test_the_version_and_the_names_of_studies_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout.startswith("nomad-nas 0.")
    with Store(tmp_path / "results.db") as store:
        store.open_study("nas-mine", "nas", {}, 1, {}, None, 1)
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = {"_NAS_RESULTS_COMPLETE": "complete_bash", "COMP_CWORD": "2", "NAS_DB": "~/results.db"}
    for words, offered in (("nas-results show nas", "nas-mine\n"), ("nas-results show x", "\n")):
        told = CliRunner().invoke(main, env={**asked, "COMP_WORDS": words}, prog_name="nas-results")
        assert told.stdout == offered, told.stdout


def test_a_tilde_is_the_home_folder_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with Store(tmp_path / "results.db") as store:
        store.open_study("s", "nas", {}, 1, {}, None, 1)
    for words in (["backup", "--to=~/copy.db"], ["export", "s", "--to=~/trials.csv"]):
        assert CliRunner().invoke(main, [*words, "--db=~/results.db"]).exit_code == 0
    assert {"copy.db", "trials.csv"} <= {path.name for path in tmp_path.iterdir()}


PROGRAM = (sys.executable, "-W", "error", "-c", "from results.cli.commands import main; main()")


@pytest.mark.slow  # the program as a process: also in test_end_to_end.py
def test_the_program_itself_prints_plain_lines_into_a_pipe(record: str) -> None:
    done = subprocess.run(
        [*PROGRAM, "trials", "nas-demo", "--db", record], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert all(line == line.rstrip() for line in done.stdout.splitlines())


def test_a_terminal_of_80_columns_is_kept_and_no_color_honoured(record: str) -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "xterm-256color"}
    with subprocess.Popen(
        [*PROGRAM, "best", "--db", record], cwd=ROOT, stdout=follower, env=environment
    ) as program:
        program.wait(timeout=60)
    os.close(follower)
    said = os.read(leader, 100_000).decode()
    os.close(leader)
    assert not re.search(r"\x1b\[(3|4|9)\d", said)  # bold is no colour
    bare = re.sub(r"\x1b\[[\d;]*m", "", said)
    assert max(len(line.rstrip("\r\n")) for line in bare.splitlines()) <= 80

"""What a study was asked can be asked again: over HTTP, and by the command that its report prints."""

from __future__ import annotations

import json
import shlex
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import commands
from orchestrator.spec import search_options
from orchestrator.spec.command_options import BadOption
from results import study_record
from results.db.search_queue import repeatable
from results.report._command import command
from tests.orchestrator import _studies
from tests.orchestrator._serving import post, reaches, serving

SUBJECTS = {"training": "senet18", "recipe": "senet18", "resnet_budget": "resnet_budget"}
KINDS = [("nas", None), *(("hpo", space) for space in SUBJECTS)]
QUICK = ("hpo", "training", True)
IDLE_IN_EARLIER_VERSIONS = {"tolerance": 0.01}


def ask(folder: Path, kind: str, space: str | None, demo: bool) -> None:
    """Run a search of the fake trainer, of a demo what is quick."""
    given: dict[str, Any] = (
        {"demo": True, "replicates": None, "tolerance": None, "confirm": 0} if demo else {}
    )
    if kind == "hpo":
        given |= {"space": space, "subject": SUBJECTS[space or ""], "max_params": None}
    if space == "resnet_budget":
        given["max_params"] = 1_000_000
    if kind == "nas":
        given["replicates"] = 1
    _studies.run(folder, **{"kind": kind, **given, "trials": 4})


@pytest.mark.parametrize("demo", [True, False], ids=["demo", "no demo"])
@pytest.mark.parametrize(("kind", "space"), KINDS)
def test_the_printed_command_asks_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, space: str | None, demo: bool
) -> None:
    ask(tmp_path, kind, space, demo)
    assert plans(tmp_path, monkeypatch, kind) == 0


@pytest.mark.parametrize("demo", [True, False], ids=["demo", "no demo"])
@pytest.mark.parametrize(
    ("kind", "space"),
    [pytest.param(*one, marks=[] if one == ("hpo", "training") else pytest.mark.slow) for one in KINDS],
)
def test_a_study_is_resumed_over_http(tmp_path: Path, kind: str, space: str | None, demo: bool) -> None:
    ask(tmp_path, kind, space, demo)
    with serving(tmp_path) as client:
        answer = post(client, "/api/studies/s/resume", trials=5)
        assert answer.status_code == 202, answer.text
        assert reaches(client, "finished")
        assert client.get("/api/studies/s").json()["budget_trials"] == 5


def test_a_study_on_record_with_what_its_demo_stands_for_is_resumed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tmp_path, "hpo", "training", demo=True)
    with closing(sqlite3.connect(tmp_path / "results.db")) as record, record:
        (stored,) = record.execute("SELECT options FROM requests").fetchone()
        asked = json.dumps({**json.loads(stored), **IDLE_IN_EARLIER_VERSIONS})
        record.execute("UPDATE requests SET options = ?", (asked,))
    assert plans(tmp_path, monkeypatch, "hpo") == 0
    with serving(tmp_path) as client:
        assert client.get("/api/studies/s").json()["options"] == json.loads(stored)
        assert post(client, "/api/studies/s/resume", trials=5).status_code == 202
        assert reaches(client, "finished")


@pytest.mark.parametrize("kind", ["nas", "hpo"])
def test_a_demo_that_version_0_1_began_goes_on_with_the_defaults_that_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Its budget was in seconds, it stopped trainings early, and hpo-search took the whole network."""
    presets: dict[str, Any] = {"budget": "15s", "trials": 12}
    presets |= {"train_images": "4000", "validation_images": "1000"}
    if kind == "nas":
        presets |= {"tolerance": 0.01, "base_width": 0.25, "batch_size": 64}
    _studies.run(tmp_path, **{"kind": kind, "replicates": None, "confirm": None, **presets})
    with closing(sqlite3.connect(tmp_path / "results.db")) as record, record:
        (stored,) = record.execute("SELECT options FROM requests").fetchone()
        left = {name: value for name, value in json.loads(stored).items() if name not in presets}
        record.execute("UPDATE requests SET options = ?", (json.dumps({"demo": True, **left}),))
    before = _studies.record(tmp_path)
    assert plans(tmp_path, monkeypatch, kind) == 0
    usual = ("budget", "trials", "tolerance", "replicates", "confirm")
    asked: dict[str, Any] = {"demo": True, **dict.fromkeys(usual)}
    said = _studies.run(tmp_path, **{"kind": kind, **asked})
    assert "12 trainings of 15 s" in said
    assert _studies.record(tmp_path) == before, "the study had ended"


def test_a_study_on_record_with_options_of_an_earlier_version_is_resumed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget without a unit was one in seconds, and `stack` is gone: a user is told so, a study goes on."""
    _studies.run(tmp_path, kind="nas", budget="1s", trials=4)
    with closing(sqlite3.connect(tmp_path / "results.db")) as record, record:
        (stored,) = record.execute("SELECT options FROM requests").fetchone()
        asked = json.dumps({**json.loads(stored), "budget": "1", "stack": 2})
        record.execute("UPDATE requests SET options = ?", (asked,))
    assert plans(tmp_path, monkeypatch, "nas") == 0
    with serving(tmp_path) as client:
        assert post(client, "/api/studies/s/resume", trials=5).status_code == 202
        assert reaches(client, "finished")
        assert client.get("/api/studies/s").json()["budget_trials"] == 5
        assert "--stack was removed and is ignored" in client.get("/api/studies/s/log").json()["text"]
    with pytest.raises(BadOption, match="has no unit; write 1s, 1m or 1steps"):
        search_options.resolve_options("nas", "senet18", {"budget": "1"})


def plans(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> int | str | None:
    """Type the command of the report of `s`, but for `--plan`, and return its exit code."""
    printed, _, _ = command(study_record.read_study(str(folder / "results.db"), "s")).rpartition(" (add --db")
    words = [*shlex.split(printed), f"--runs={folder}", "--plan"]
    assert words[0] == f"{kind}-search"
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as end:
        getattr(commands, f"{kind}_search")()
    return end.value.code


def test_what_is_kept_is_what_was_given(tmp_path: Path) -> None:
    ask(tmp_path, "hpo", "training", demo=True)
    request = study_record.read_study(str(tmp_path / "results.db"), "s").request
    assert request is not None
    told = {"demo": True, "data": "fake:", "budget": "10steps", "trials": 4, "solver": "random"}
    assert request["options"] == {**told, "confirm": 0, "device": "cpu", "slots": 1}


def test_what_does_nothing_is_refused_of_a_user_alone() -> None:
    with pytest.raises(BadOption, match=r"--tolerance 0.01 has no effect"):
        search_options.resolve_options("hpo", "senet18", IDLE_IN_EARLIER_VERSIONS)
    assert repeatable("hpo", {"demo": True, **IDLE_IN_EARLIER_VERSIONS}) == {"demo": True}
    assert repeatable("nas", IDLE_IN_EARLIER_VERSIONS) == IDLE_IN_EARLIER_VERSIONS
    assert repeatable("nas", {"min_accuracy": 0.8, "replicates": 3}) == {"min_accuracy": 0.8}
    assert repeatable("nas", {"early_stop": 0.0, "audit": 0.1}) == {"early_stop": 0.0}
    assert repeatable("nas", {"budget": "10"}) == {"budget": "10s"}
    assert repeatable("nas", {"budget": "10steps"}) == {"budget": "10steps"}

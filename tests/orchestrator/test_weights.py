"""Weights of whole studies: what stays on the disk, what the database says of it, and what a kill costs."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from orchestrator.spec.command_options import BadOption
from orchestrator.spec.options import OWN_TRAINER
from results import queries
from results.db.store import Store
from results.db.tables import Event, Trial
from results.errors import WeightsMissing
from tests.orchestrator._processes import eventually, naming
from tests.orchestrator._studies import command, evaluate, record, run, trials

SEARCH: dict[str, Any] = {"trials": 16, "confirm": 2, "tolerance": 0.05, "data": "fake:noise=0.001"}


def kept(folder: Path) -> list[int]:
    """The trials with weights, for which the database and the disk must say the same."""
    rows = [row for row in trials(folder) if row.weights_bytes is not None]
    assert all(row.state == "completed" for row in rows)
    on_disk = sorted(int(path.parent.name) for path in folder.rglob("model.safetensors"))
    assert on_disk == sorted(int(path.parent.name) for path in folder.rglob("model.json"))
    assert on_disk == [row.number for row in rows]
    assert not list(folder.rglob("*.new"))
    return on_disk


def events(folder: Path, kind: str) -> list[Event]:
    with Store(folder / "results.db", read_only=True) as store:
        return [event for event in store.events(store.studies()[0].id) if event.kind == kind]


def winner(folder: Path) -> Trial:
    [model] = queries.models(folder / "results.db").to_dict("records")
    return next(row for row in trials(folder) if row.number == model["trial"])


def description(row: Trial) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(row.folder or "") / "model.json").read_text())
    return found


@pytest.mark.parametrize("policy", [None, "confirmed", "all", "none"])
def test_a_search_keeps_the_weights_that_its_policy_names(tmp_path: Path, policy: str | None) -> None:
    printed = run(tmp_path, **SEARCH, keep_weights=policy)
    found, rows = winner(tmp_path), trials(tmp_path)
    assert found.verdict == "confirmed"
    repeats = [
        row.number for row in rows if row.of_trial_number == found.number and row.purpose == "confirmation"
    ]
    named = {1, min(repeats)}
    confirmed = {row.number for row in rows if row.verdict == "confirmed"}
    if policy is None:
        assert set(kept(tmp_path)) == named
        assert f"weights of nomad_senet18: {tmp_path / 's' / f'{min(repeats):05d}'}\n" in printed
        last = [line.partition(" --")[0] for line in printed.splitlines()[-4:]]
        assert last == [
            "next: hpo-search",
            "      nas-predict nomad_senet18 photo.jpg",
            "      nas-export nomad_senet18",
            "      nas-train",
        ]
    elif policy == "confirmed":
        assert set(kept(tmp_path)) >= named
        assert len(kept(tmp_path)) == 1 + len(confirmed)
    elif policy == "all":
        assert kept(tmp_path) == [row.number for row in rows if row.state == "completed"]
    else:
        assert kept(tmp_path) == []
        assert "nas-predict" not in printed


def test_the_weights_of_a_model_tell_its_name_and_what_its_study_found(tmp_path: Path) -> None:
    run(tmp_path, **SEARCH)
    [model] = queries.models(tmp_path / "results.db").to_dict("records")
    folder = queries.weights(tmp_path / "results.db", "nomad_senet18")
    assert str(folder) == model["weights"]
    found = json.loads((folder / "model.json").read_text())["provenance"]
    assert (found["study"], found["trial"], found["purpose"]) == ("s", int(folder.name), "confirmation")
    assert (found["base"], found["name"]) == ("senet18", "nomad_senet18")
    assert found["accuracy"] == {
        "mean": model["val_accuracy"],
        "images": "validation",
        "runs": model["trainings"],
        "interval": [model["accuracy_low"], model["accuracy_high"]],
    }
    with Store(tmp_path / "results.db", read_only=True) as store:
        [study] = store.studies()
    assert found["data_fingerprint"] == study.question["training"]["fingerprint"] is not None
    assert str(tmp_path) not in json.dumps(found), "a place on this machine"


def test_keeping_weights_changes_nothing_that_is_recorded_of_a_search(tmp_path: Path) -> None:
    for policy in ("all", "none"):
        run(tmp_path / policy, **SEARCH, keep_weights=policy)
    assert record(tmp_path / "all") == record(tmp_path / "none")
    configs = [[row.config for row in trials(tmp_path / policy)] for policy in ("all", "none")]
    assert configs[0] == configs[1]
    assert "keep_weights" in json.loads((tmp_path / "all" / "s" / "00001" / "trial.json").read_text())


def test_a_resume_with_another_policy_trains_nothing_again(tmp_path: Path) -> None:
    run(tmp_path, **{**SEARCH, "trials": 8}, keep_weights="all")
    before = record(tmp_path)
    run(tmp_path, **SEARCH, keep_weights="best")
    rows = trials(tmp_path)
    assert record(tmp_path)[: len(before)] == before
    assert all(row.attempts <= 1 for row in rows)
    assert set(kept(tmp_path)) <= {1, *(row.number for row in rows if row.purpose == "confirmation")}


def test_a_finished_search_gives_up_weights_only_where_that_is_asked_for_and_says_so(tmp_path: Path) -> None:
    run(tmp_path, **{**SEARCH, "trials": 8}, keep_weights="all")
    before = kept(tmp_path)
    assert "are removed" not in run(tmp_path, **{**SEARCH, "trials": 8})
    assert kept(tmp_path) == before
    printed = run(tmp_path, **{**SEARCH, "trials": 8}, keep_weights="none")
    assert f"weights of {len(before)} trainings are removed: --keep-weights none" in printed
    assert kept(tmp_path) == []


def test_a_tuning_keeps_those_of_its_best_and_of_its_start(tmp_path: Path) -> None:
    run(tmp_path, kind="hpo", trials=8, confirm=2)
    rows, best = trials(tmp_path), winner(tmp_path)
    of = {row.number: row.of_trial_number or row.number for row in rows}
    assert {of[number] for number in kept(tmp_path)} == {1, best.number}


def test_a_front_keeps_those_of_each_of_its_networks(tmp_path: Path) -> None:
    run(tmp_path, minimise="macs", maximise="accuracy", trials=10)
    models = queries.models(tmp_path / "results.db").to_dict("records")
    assert len(models) > 1
    names = {description(row)["provenance"].get("name") for row in trials(tmp_path) if row.weights_bytes}
    assert {model["name"] for model in models} <= names
    assert len(kept(tmp_path)) <= len(models) + 1  # and the start's


def test_an_evaluation_keeps_the_first_run_of_each_pair_and_says_where_the_best_is(tmp_path: Path) -> None:
    printed = evaluate(tmp_path, model=["senet18", "resnet18"], runs=3)
    assert kept(tmp_path) == [1, 2]
    [line] = [line for line in printed.splitlines() if line.startswith("weights of s:")]
    folder = queries.weights(tmp_path / "results.db", line.split()[2].removesuffix(":"))
    assert line.endswith(str(folder))
    best = queries.evaluation(tmp_path / "results.db", "s")["model"].iloc[0]
    assert json.loads((folder / "model.json").read_text())["provenance"]["model"] == best


@pytest.mark.parametrize(("fault", "said"), [("full", "No space left on device"), ("killed", "ended before")])
def test_weights_that_are_not_written_cost_no_trial(tmp_path: Path, fault: str, said: str) -> None:
    printed = evaluate(tmp_path, data=f"fake:weights={fault}", executor="local")
    assert {(row.state, row.attempts) for row in trials(tmp_path)} == {("completed", 1)}
    assert kept(tmp_path) == []
    lost = events(tmp_path, "weights_lost")
    assert [event.detail["number"] for event in lost] == [1, 2]
    assert all(said in event.detail["message"] for event in lost)
    assert f"trial 1: {lost[0].detail['message']}" in printed
    assert events(tmp_path, "trial_lost") == []
    with pytest.raises(WeightsMissing, match="no weights of s:1 are kept"):
        queries.weights(tmp_path / "results.db", "s:1")


def test_a_training_that_hangs_over_its_weights_is_ended_and_counts(tmp_path: Path) -> None:
    evaluate(tmp_path, data="fake:weights=hang", executor="local", runs=1, timeout=5.0)
    [row] = trials(tmp_path)
    assert (row.state, row.weights_bytes) == ("completed", None)
    assert kept(tmp_path) == []


def test_a_failed_training_keeps_no_weights(tmp_path: Path) -> None:
    evaluate(tmp_path, data="fake:steps=0", keep_weights="all")
    assert {row.state for row in trials(tmp_path)} == {"failed"}
    assert kept(tmp_path) == []


def test_a_trainer_that_keeps_none_is_asked_for_none(tmp_path: Path) -> None:
    printed = run(tmp_path, **{**SEARCH, "data": "fake:noise=0.001,weights=none"})
    assert kept(tmp_path) == []
    assert "keep_weights" not in (tmp_path / "s" / "00001" / "trial.json").read_text()
    assert "nas-predict" not in printed
    assert events(tmp_path, "weights_lost") == []
    for start in (run, evaluate):
        with pytest.raises(BadOption, match="--keep-weights all needs a trainer that keeps weights"):
            start(tmp_path / "new", data="fake:weights=none", keep_weights="all")


def test_a_result_that_is_adopted_brings_its_weights(tmp_path: Path) -> None:
    evaluate(tmp_path, runs=1)
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection, connection:
        connection.execute("UPDATE trials SET state = 'running', finished_at = NULL, weights_bytes = NULL")
    evaluate(tmp_path, runs=1)
    assert kept(tmp_path) == [1]
    assert len(events(tmp_path, "result_adopted")) == 1
    assert trials(tmp_path)[0].attempts == 1


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_kill_of_the_real_trainer_after_its_result_costs_weights_and_never_a_trial(tmp_path: Path) -> None:
    """Every other run is stopped and killed in the middle of its file, the others at some moment near it."""
    runs, rng, torn = 6, random.Random(0), list[int]()
    typed = command(tmp_path, *REAL, "--runs", str(runs), program="nas_evaluate")
    with subprocess.Popen(typed, stdout=subprocess.DEVNULL) as study:
        for number in range(1, runs + 1):
            folder = tmp_path / "s" / f"{number:05d}"
            assert eventually(lambda: has_result(folder), 200, pause=0.002)  # noqa: B023
            if number % 2:
                torn += [number] if kill_writing(folder) else []
            else:
                time.sleep(rng.uniform(0, 0.3))
                signal_training(folder, signal.SIGKILL)
        assert study.wait(200) == 0
    assert torn, "no kill landed while a file was written"
    assert [(row.state, row.attempts) for row in trials(tmp_path)] == [("completed", 1)] * runs
    assert set(kept(tmp_path)).isdisjoint(torn)
    lost = {event.detail["number"] for event in events(tmp_path, "weights_lost")}
    assert lost >= set(torn)
    assert lost.isdisjoint(kept(tmp_path))


REAL = (
    *("--model", "senet18", "--data", "digits", "--study", "s", "--keep-weights", "all", "--slots", "1"),
    *(
        "--budget",
        "2steps",
        "--train-images",
        "200",
        "--batch-size",
        "50",
        "--trainer",
        shlex.join(OWN_TRAINER),
    ),
)


def has_result(folder: Path) -> bool:
    return (folder / "metrics.jsonl").exists() and '"final"' in (folder / "metrics.jsonl").read_text()


def kill_writing(folder: Path) -> bool:
    """Stop the training once it writes its weights, and kill it; whether the file was unfinished then."""
    unfinished = folder / "model.safetensors.new"
    if not eventually(lambda: unfinished.exists() or (folder / "model.json").exists(), 60, pause=0.001):
        return False
    signal_training(folder, signal.SIGSTOP)
    is_torn = unfinished.exists()
    signal_training(folder, signal.SIGKILL)
    return is_torn


def signal_training(folder: Path, number: signal.Signals) -> None:
    for pid in set(naming(folder)) - set(naming("supervisor.py")):
        with suppress(ProcessLookupError):
            os.kill(pid, number)

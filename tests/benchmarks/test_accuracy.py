"""The accuracy harness, with a trainer that trains nothing, and once with the real one."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks._running import FAKE_TRAINER, ran

FAKED = ("--data", "fake:", "--model", "senet18", "--recipe", "nomad_haet", "--trainer", FAKE_TRAINER)
ASKED = (*FAKED, "--steps", "5", "--runs", "3", "--drop", "sam", "--at-once", "2")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def summary(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.with_suffix(".summary.json").read_text())
    return read


def test_every_run_is_a_line_on_a_part_of_its_own_and_the_summary_pairs_them(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    code, printed = ran("accuracy", *ASKED, "--out", str(out))
    assert code == 0, printed
    runs = [line for line in lines(out) if line["event"] == "run"]
    assert sorted((run["variant"], run["run"]) for run in runs) == [
        (variant, run) for variant in ("as it is", "without sam") for run in range(3)
    ]
    assert {run["config"]["subset"]["part"] for run in runs} == {0, 1, 2}
    found: dict[str, list[float]] = {"as it is": [], "without sam": []}
    for run in sorted(runs, key=lambda run: run["run"]):
        found[run["variant"]].append(100 * run["final"]["test_accuracy"])
    row = summary(out)["percent"]["test_accuracy"]["without sam"]
    differences = [b - a for a, b in zip(found["as it is"], found["without sam"], strict=True)]
    assert row["mean"] == pytest.approx(statistics.fmean(found["without sam"]))
    assert row["difference"]["mean"] == pytest.approx(statistics.fmean(differences))
    assert row["difference"]["std"] == pytest.approx(statistics.stdev(differences))
    assert row["difference"]["n"] == 3


def test_a_harness_run_again_trains_only_what_is_not_on_file(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    assert ran("accuracy", *ASKED, "--out", str(out))[0] == 0
    kept = [line for line in lines(out) if line.get("run") != 1 or line["variant"] != "as it is"]
    assert len(kept) == 6
    out.write_text("".join(json.dumps(line) + "\n" for line in kept))
    code, printed = ran("accuracy", *ASKED, "--out", str(out))
    assert code == 0
    assert [line for line in printed.splitlines() if "run 1:" in line or "run 0:" in line] == [
        line for line in printed.splitlines() if line.startswith("as it is, run 1:")
    ]
    assert len([line for line in lines(out) if line["event"] == "run"]) == 6


def test_a_harness_whose_time_is_over_says_that_it_is_not_finished(tmp_path: Path) -> None:
    code, _ = ran("accuracy", *ASKED, "--most-seconds", "0", "--out", str(tmp_path / "a.jsonl"))
    assert code == 3


@pytest.mark.slow
def test_a_run_that_fails_is_counted_and_not_averaged(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    code, printed = ran("accuracy", *ASKED, "--data", "fake:diverge_above=0.5", "--out", str(out))
    assert code == 0, printed
    failed = sum(line["exit_code"] == 3 for line in lines(out) if line["event"] == "run")
    rows = summary(out)["percent"]["test_accuracy"].values()
    assert failed > 0
    assert sum(row["failed"] for row in rows) == failed
    assert sum(row["n"] for row in rows) == 6 - failed


@pytest.mark.slow
def test_a_grid_is_judged_on_validation_images_only(tmp_path: Path) -> None:
    grid = (*FAKED, "--steps", "5", "--runs", "1", "--grid", "learning_rate=0.05,0.1", "--out")
    code, printed = ran("accuracy", *grid, str(tmp_path / "a.jsonl"))
    assert code == 2
    assert "must not be chosen on the test images" in printed
    out = tmp_path / "b.jsonl"
    assert ran("accuracy", *grid, str(out), "--validation", "1000")[0] == 0
    runs = [line for line in lines(out) if line["event"] == "run"]
    assert all(not run["config"]["test"] and run["config"]["subset"]["validation"] == 1000 for run in runs)
    assert set(summary(out)["percent"]) == {"val_accuracy"}
    rates = {run["config"]["hyperparameters"].get("learning_rate") for run in runs}
    assert rates == {None, 0.05, 0.1}


@pytest.mark.slow
def test_each_ingredient_of_a_recipe_is_dropped_in_turn(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    asked = (
        "--steps",
        "2",
        "--runs",
        "1",
        "--recipe",
        "resnet9_baseline",
        "--drop",
        "each",
        "--out",
        str(out),
    )
    assert ran("accuracy", *asked, "--most-seconds", "0")[0] == 3
    found = set(summary(out)["percent"]["test_accuracy"])
    assert found == {"as it is", "without crop", "without flip", "without cosine"}


@pytest.mark.slow
def test_a_real_training_is_measured_with_an_ingredient_taken_out(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    small = ("--data", "digits", "--model", "resnet9", "--width", "0.125", "--resolution", "0.5")
    asked = (*small, "--train", "200", "--parts", "4", "--steps", "2", "--runs", "1", "--device", "cpu")
    code, printed = ran("accuracy", *asked, "--drop", "sam", "--at-once", "2", "--out", str(out))
    assert code == 0, printed
    runs = [line for line in lines(out) if line["event"] == "run"]
    assert {run["variant"]: run["exit_code"] for run in runs} == {"as it is": 0, "without sam": 0}
    assert all(0 <= run["final"]["test_accuracy_1000"] <= 1 and run["host_bytes"] > 2**20 for run in runs)


def test_a_refused_configuration_ends_the_harness_and_is_asked_again(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    code, printed = ran("accuracy", *ASKED, "--data", "fake:refuse", "--out", str(out))
    assert code == 2
    assert "exit 2: refused as asked" in printed
    assert ran("accuracy", *ASKED, "--data", "fake:refuse", "--out", str(out))[0] == 2

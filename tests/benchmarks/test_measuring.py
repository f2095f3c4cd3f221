"""The benchmarks of speed and overshoot at their smallest."""

import importlib
import json
import random
import sys
from pathlib import Path

import pytest

from tests.benchmarks._running import ROOT, ran
from trainer import config


@pytest.mark.parametrize(
    "name", ["overshoot", pytest.param("trainer_speed", marks=pytest.mark.slow), "trial_start"]
)
def test_what_is_measured_is_trained_by_the_newest_rules(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    monkeypatch.setattr(sys, "argv", [name])
    benchmark = importlib.import_module(name)
    made = {
        "overshoot": lambda: next(benchmark._configs(1, "digits", "cpu", random.Random(0))),
        "trainer_speed": lambda: benchmark._config(benchmark._arguments()),
        "trial_start": lambda: benchmark.CONFIG,
    }
    assert config.from_json(made[name]()).versions == config.NEWEST


@pytest.mark.slow
def test_speed_is_measured_beside_the_reference_in_turn(tmp_path: Path) -> None:
    out = tmp_path / "speed.jsonl"
    network = ("--model", "resnet9", "--width", "0.125", "--pixels", "16", "--batch", "16", "--device", "cpu")
    short = (
        "--images",
        "320",
        "--seconds",
        "0.4",
        "--segments",
        "2",
        "--workers",
        "0",
        "--clock",
        "cpu",
        "--processes",
        "0",
    )
    code, printed = ran("trainer_speed", *network, *short, "--out", str(out))
    assert code == 0, printed
    [line] = [json.loads(line) for line in out.read_text().splitlines()]
    assert line["ours"]["images_per_second"]["n"] == line["reference"]["images_per_second"]["n"] == 2
    assert line["ours"]["images_per_second"]["least"] > line["reference"]["images_per_second"]["most"] > 0
    assert line["bound_images_per_second"]["n"] == line["share_of_bound"]["n"] == 2
    assert 0 < line["share_of_bound"]["median"] < 1
    assert line["git_commit"]
    assert line["machine"]["versions"]["torch"]


@pytest.mark.slow
def test_overshoot_is_measured_beside_a_process_that_competes(tmp_path: Path) -> None:
    out = tmp_path / "over.json"
    code, printed = ran("overshoot", "--trials", "1", "--device", "cpu", "--out", str(out))
    assert code == 0, printed
    report = json.loads(out.read_text())
    [trial] = report["trials"]
    assert (trial["busy"], trial["exit_code"], trial["progress_at_end"]) == (1, 0, [1.0])
    assert trial["overshoot_seconds"] == trial["train_seconds"] - trial["budget_seconds"]
    assert report["summary"]["all"]["n"] == report["summary"]["beside others"]["ended_at_progress_1"] == 1

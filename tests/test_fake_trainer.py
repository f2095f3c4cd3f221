"""The fake trainer keeps to docs/trainer-protocol.md, its faults apart."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("fake_trainer.py")
CONFIG: dict[str, Any] = {
    "protocol": 1,
    "model": "senet18",
    "dataset": "fake:",
    "subset": {"train": 500, "validation": 100, "seed": 0},
    "budget": {"steps": 10},
    "seed": 0,
}


def train(folder: Path, **changes: object) -> tuple[int, list[str]]:
    (folder / "trial.json").write_text(json.dumps({**CONFIG, **changes}))
    command = [sys.executable, str(PROGRAM), "train", "--config", str(folder / "trial.json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout.splitlines()


def describe(*configs: dict[str, Any]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(config) + "\n" for config in configs)
    command = [sys.executable, str(PROGRAM), "describe"]
    answers = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in answers.splitlines()]


def test_a_training_reports_its_events_in_order(tmp_path: Path) -> None:
    code, lines = train(tmp_path)
    names = [json.loads(line)["event"] for line in lines]
    assert (code, names) == (0, ["model", "machine", "plan", *["epoch"] * 5, "final"])


def test_the_same_configuration_is_as_accurate_again(tmp_path: Path) -> None:
    accuracies = [json.loads(train(tmp_path)[1][-1])["val_accuracy"] for _ in range(2)]
    assert accuracies[0] == accuracies[1]


@pytest.mark.parametrize(
    ("fault", "code", "last"),
    [
        ("refuse", 2, '"refused"'),
        ("diverge_above=0", 3, '"diverged"'),
        ("oom=1", 4, '"out_of_memory"'),
        ("crash=1", 1, '"machine"'),
        ("noresult", 0, '"epoch": 5'),
        ("nan", 0, '"val_accuracy": NaN'),
    ],
)
def test_a_fault_asked_for_happens(tmp_path: Path, fault: str, code: int, last: str) -> None:
    ended, lines = train(tmp_path, dataset=f"fake:{fault}")
    assert ended == code
    assert last in lines[-1]


def test_every_configuration_is_answered_in_order() -> None:
    small = {**CONFIG, "scale": {"depth": 0.75, "width": 0.5, "resolution": 0.75}}
    refused = {**CONFIG, "color": "blue"}
    answers = describe(CONFIG, refused, small)
    assert [answer["event"] for answer in answers] == ["model", "error", "model"]
    assert "unknown keys color; known are protocol, model" in answers[1]["message"]
    assert (answers[2]["blocks"], answers[2]["channels"][0], answers[2]["resolution"]) == (
        [2, 2, 1, 1],
        32,
        24,
    )
    assert answers[2]["macs"] < answers[0]["macs"]

"""nas-evaluate as its user types it, with the real trainer on real images."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from results import queries
from tests.orchestrator._studies import RUN_COMMAND, trials

ASKED = ("--model", "resnet9", "--base-width", ".125", "--runs", "2", "--ensemble", "2", "--vote", "hard")
SMALL = ("--data", "digits", "--train-images", "600", "--budget", "4steps", "--device", "cpu", "--slots", "2")


@pytest.mark.slow  # test_evaluate.py has it with a fake trainer, tests/trainer what the trainer does
@pytest.mark.timeout(300)
def test_ensembles_are_trained_and_tested_on_parts_of_the_images(tmp_path: Path) -> None:
    program = [sys.executable, "-P", "-c", RUN_COMMAND.format("nas_evaluate"), "nas-evaluate"]
    asked = [*program, *ASKED, *SMALL, "--study", "s", "--folder", str(tmp_path)]
    ended = subprocess.run(asked, capture_output=True, text=True, timeout=280, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "finished: 2 of 2 runs completed" in ended.stdout
    [pair] = queries.evaluation(tmp_path / "results.db", "s").to_dict("records")
    assert (pair["model"], pair["recipe"], pair["n"]) == ("resnet9", "nomad_haet", 2)
    for row in trials(tmp_path):
        assert row.val_accuracy is None
        assert row.test_accuracy is not None
        assert row.test_accuracy_1000 == row.test_accuracy, "the digits have 1,000 test images"
        config = json.loads((Path(row.folder or "") / "trial.json").read_text())
        drawn = {"train": 600, "validation": 0, "seed": 0, "draw": "proportional"}
        assert config["subset"] == {**drawn, "part": row.replicate}
        assert config["ingredients"] == {"ensemble": {"members": 2, "vote": "hard"}}

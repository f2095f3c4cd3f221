"""What a new attempt of a trial finds in its folder: a job that is to be followed, or nothing."""

import json
from pathlib import Path

import pytest

from orchestrator.trial.folder import TrialFolder

CONFIG = {"model": "senet18"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """That of a trial whose orchestrator was killed while an executor had a job of it."""
    TrialFolder(tmp_path).write_config(CONFIG)
    (tmp_path / "job.json").write_text(json.dumps({"executor": "slurm"}))
    (tmp_path / "metrics.jsonl").write_text("a line")
    (tmp_path / "checkpoint.pt").write_text("weights")
    return tmp_path


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_job_that_an_executor_has_is_left_alone(folder: Path) -> None:
    TrialFolder(folder).prepare(CONFIG, was_running=True, executor="slurm")
    assert left(folder) == {"trial.json", "job.json", "metrics.jsonl", "checkpoint.pt"}


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_another_executor_begins_anew_from_the_checkpoint(folder: Path, executor: str) -> None:
    TrialFolder(folder).prepare(CONFIG, was_running=True, executor=executor)
    assert left(folder) == {"checkpoint.pt"}


@pytest.mark.parametrize(("config", "was_running"), [(CONFIG, False), ({"model": "resnet18"}, True)])
def test_nothing_of_another_training_is_left(folder: Path, config: dict[str, str], was_running: bool) -> None:
    TrialFolder(folder).prepare(config, was_running, "slurm")
    assert left(folder) == set()


def test_a_job_that_version_0_1_gave_several_trials_is_begun_anew(folder: Path) -> None:
    (folder / "stack.json").write_text("{}")
    TrialFolder(folder).prepare(CONFIG, was_running=True, executor="slurm")
    assert "job.json" not in left(folder)


def test_a_configuration_that_a_job_may_be_reading_is_not_written_again(folder: Path) -> None:
    before = (folder / "trial.json").stat().st_mtime_ns
    TrialFolder(folder).write_config(CONFIG)
    assert (folder / "trial.json").stat().st_mtime_ns == before

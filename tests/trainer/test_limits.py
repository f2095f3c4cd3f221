"""The largest batch, found in a process of its own, for it forbids itself memory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.configs import trial
from tests.trainer.conftest import Forked
from tests.trainer.test_program import run

Limited = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def limited(forked: Forked, tmp_path: Path) -> Limited:
    """Ask for the largest batch of a configuration with some keys changed: exit code and the last line."""

    def ask(*options: str, **changes: Any) -> tuple[int, dict[str, Any]]:
        (tmp_path / "trial.json").write_text(json.dumps(trial(**changes)))
        code, lines, _ = forked("limits", "--config", str(tmp_path / "trial.json"), *options)
        return code, lines[-1]

    return ask


def test_a_batch_may_be_all_training_images_where_memory_allows(limited: Limited) -> None:
    few = {"train": 20, "validation": 10, "seed": 0}  # fewer than the configuration's own batch
    code, limit = limited(subset=few, hyperparameters={"batch_size": 64})
    assert (code, limit["batch_size"], limit["bound"]) == (0, 20, "training images")
    assert limit["engine"] is None, "on a CPU"


def test_the_memory_bounds_the_batch_and_the_process_lives_to_tell(limited: Limited) -> None:
    large = {
        "scale": {"width": 0.125, "resolution": 2},
        "subset": {"train": 200, "validation": 10, "seed": 0},
    }
    code, limit = limited("--memory-bytes", str(60 * 2**20), **large)
    assert (code, limit["bound"]) == (0, "memory")
    assert 2 <= limit["batch_size"] < 200


def test_no_room_for_two_images_is_out_of_memory(limited: Limited) -> None:
    code, error = limited("--memory-bytes", str(2**20), scale={"width": 0.25, "resolution": 4})
    assert (code, error["reason"]) == (4, "out_of_memory")


@pytest.mark.parametrize("broken", ["{", '{"protocol": 1}'])
def test_a_broken_configuration_is_refused_before_anything_is_tried(tmp_path: Path, broken: str) -> None:
    (tmp_path / "trial.json").write_text(broken)
    assert run("limits", "--config", str(tmp_path / "trial.json"))[0] == 2

"""What a plan says where all images that are not trained on are read at the end of each training."""

import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.spec.command_options import BadOption
from tests.orchestrator._studies import train
from tests.orchestrator.study.test_latencies import changed
from tests.orchestrator.study.test_plan import planned

ALL: dict[str, Any] = {
    "data": "fake:sized",
    "validation_images": "all",
    "executor": "local",
    "budget": "600s",
}
REAL = f"{sys.executable} -P -m trainer"
DIGITS: dict[str, Any] = {"data": "digits", "train_images": 300, "validation_images": "all", "device": "cpu"}


def line_of(printed: str) -> str:
    (line,) = [line for line in printed.splitlines() if line.startswith("last validation: ")]
    return line


def test_a_plan_has_it_timed_on_this_machine(tmp_path: Path) -> None:
    assert line_of(planned(tmp_path, **ALL)) == (
        "last validation: reads all 45000 images in 0.45 s, 0.1% of the budget (measured now; at most 5%)"
    )
    assert "learning curves use 1000 of these" in planned(tmp_path, **ALL)
    steps = line_of(planned(tmp_path, **{**ALL, "budget": "10steps"}))
    assert steps.endswith("images in 0.45 s (measured now; at most 5%)")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_for_other_machines_or_for_a_trainer_that_cannot_check_says_when_it_will_be_seen(
    tmp_path: Path,
) -> None:
    words = "last validation: reads all 45000 images; where that takes over 5% of the budget, the first"
    assert line_of(planned(tmp_path, **{**ALL, "executor": "inline"})).startswith(words)
    older = changed(tmp_path, '"checks": True', '"x": 1')
    assert line_of(planned(tmp_path, **ALL, trainer=older)).startswith(words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("last_validation_seconds=", "seconds=", "last_validation_seconds.* is wrong or missing"),
        ('emit("check"', 'print("?"); emit("check"', "the trainer's check cannot be read: "),
        ('    emit("check"', "    sys.exit('no room'); emit(\"check\"", "exit code 1.: no room"),
    ],
    ids=["other words", "no JSON", "ended"],
)
def test_a_check_that_tells_nothing_is_an_error(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(BadOption, match=words):
        planned(tmp_path, **ALL, trainer=changed(tmp_path, old, new))


def test_without_more_images_than_curves_use_nothing_is_timed(tmp_path: Path) -> None:
    assert "last validation" not in planned(tmp_path, **{**ALL, "validation_images": "1000"})


def test_what_the_first_training_would_be_refused_for_the_plan_is_refused_for(tmp_path: Path) -> None:
    words = r"validating on 4700 images takes .*, more than 5% of 1.00 s of training; give fewer"
    with pytest.raises(BadOption, match=words):
        planned(tmp_path, **DIGITS, base_width=0.25, budget="1s", executor="local", trainer=REAL)


@pytest.mark.slow
def test_so_is_the_plan_of_a_final_training(tmp_path: Path) -> None:
    asked: dict[str, Any] = {**DIGITS, "budget": "1s", "executor": "local", "trainer": REAL, "plan": True}
    with pytest.raises(BadOption, match=r"validating on 4700 images takes .*, more than 5% of 1.00 s"):
        train(tmp_path, **asked)

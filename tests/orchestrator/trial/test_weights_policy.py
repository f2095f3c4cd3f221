"""Whose weights are kept, and what becomes of a training that ends while it writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.executors import Exit, Reason
from orchestrator.spec.formulation import Formulation
from orchestrator.spec.objective import parse_objective
from orchestrator.spec.option_types import KeepWeights
from orchestrator.spec.trial_config import Choices
from orchestrator.trial import outcome
from orchestrator.trial.folder import TrialFolder
from orchestrator.trial.weights_policy import kept_at_end, superfluous
from results.db.tables import Trial
from search_spaces import Real, Space

CONFIG = {"model": "senet18"}
SPACE = Space((Real("width", 0.1, 1.0),))


def trial(number: int, width: float, accuracy: float = 0.9, of: int | None = None, **columns: Any) -> Trial:
    """A completed trial with weights, whose network is as large as it is wide."""
    known = {"purpose": "search" if of is None else "confirmation", "weights_bytes": 10, **columns}
    return Trial(
        study_id=1, number=number, state="completed", point={"width": width}, macs=round(1000 * width),
        val_accuracy=accuracy, of_trial_number=of, **known,
    )  # fmt: skip


def formulation(kind: str = "nas", **asked: str) -> Formulation:
    aim = parse_objective(kind, asked.get("minimise"), asked.get("maximise"), {})
    bound = None if aim.minimise is None else 0.8
    return Formulation(SPACE, SPACE.point({"width": 1.0}), lambda point: Choices({}), aim, min_accuracy=bound)


def removed(rows: list[Trial], asked: Formulation, policy: KeepWeights = "best") -> list[int]:
    by_number = {row.number: row for row in rows}
    return [row.number for row in superfluous(by_number, policy, asked, asked.best(rows))]


BASE = trial(1, 1.0, purpose="baseline")
ROWS = [
    BASE,
    trial(2, 0.5, verdict="confirmed", weights_bytes=None),
    trial(3, 0.5, of=2),
    trial(4, 0.7),  # larger than the confirmed one
    trial(5, 0.4),
    trial(6, 0.3, accuracy=0.5),  # missed the required accuracy
    trial(7, 0.35, verdict="rejected", weights_bytes=None),
    trial(8, 0.35, of=7),
    trial(9, 0.8, verdict="confirmed", weights_bytes=None),  # which it was before trial 2
    trial(10, 0.8, of=9),
]


def test_a_search_removes_the_weights_of_what_it_will_not_name() -> None:
    assert removed(ROWS, formulation()) == [4, 6, 8]
    assert removed(ROWS, formulation(), "confirmed") == [4, 6, 8]
    assert removed(ROWS, formulation(), "all") == []


def test_before_anything_is_confirmed_all_that_met_the_accuracy_may_be_named() -> None:
    rows = [BASE, trial(2, 0.5), trial(3, 0.7), trial(4, 0.6, accuracy=0.7)]
    assert removed(rows, formulation()) == [4]


def test_a_search_for_accuracy_keeps_the_start_the_best_and_what_is_trained_again() -> None:
    rows = [trial(1, 1.0), trial(2, 0.5, 0.91), trial(3, 0.6, 0.95), trial(4, 0.7, 0.92), trial(5, 0.7, of=4)]
    assert removed(rows, formulation("hpo")) == [2, 4]


def test_a_search_for_a_front_keeps_every_network_s_until_its_end() -> None:
    assert removed(ROWS, formulation(minimise="macs", maximise="accuracy")) == []


@pytest.mark.parametrize(
    ("policy", "stay"), [("none", []), ("best", [1, 3]), ("confirmed", [1, 3, 10]), ("all", [1, 3, 4, 10])]
)
def test_at_the_end_the_policy_says_whose_stay(policy: KeepWeights, stay: list[int]) -> None:
    rows = [row for row in ROWS if row.number not in (5, 6, 8)]
    assert [row.number for row in kept_at_end(rows, policy, named={2})] == stay


def test_of_a_network_that_is_named_only_the_first_repeat_s_stay() -> None:
    rows = [trial(1, 1.0, purpose="baseline"), trial(2, 0.5), trial(4, 0.5, of=2), trial(3, 0.5, of=2)]
    assert [row.number for row in kept_at_end(rows, "best", named={2})] == [1, 3]


# what a training leaves


FINAL = {"event": "final", "val_accuracy": 0.9, "val_loss": 0.1}
WEIGHTS = {"event": "weights", "bytes": 12, "seconds": 0.5}


def left(
    folder: Path, *events: dict[str, Any], keeps: bool = True, files: tuple[str, ...] = ()
) -> TrialFolder:
    """A folder in which a trainer wrote these events and files."""
    made = TrialFolder(folder)
    made.write_config(CONFIG, {"study": "s"} if keeps else None)
    made.metrics.write_text("".join(json.dumps(event) + "\n" for event in events))
    for name in files:
        (folder / name).write_text("{}")
    return made


def end(code: int, reason: Reason = "exited") -> Exit:
    now = datetime.now(UTC)
    return Exit(code, reason, "cpu-0", 1.0, now, now)


WHOLE = ("model.safetensors", "model.json")


@pytest.mark.parametrize(
    "ended", [end(0), end(-9), end(137), end(1), end(-9, "lost"), end(143, "stopped"), end(-9, "timeout")]
)
def test_a_training_that_ends_in_any_way_after_its_result_has_completed(tmp_path: Path, ended: Exit) -> None:
    found = outcome.judge(ended, left(tmp_path, FINAL, files=("model.safetensors.new",)))
    assert (found.state, found.columns["val_accuracy"]) == ("completed", 0.9)
    assert found.lost_weights == "the weights are not kept: the training ended before they were written"
    assert "weights_bytes" not in found.columns


def test_a_training_that_keeps_no_weights_is_lost_with_its_process_as_before(tmp_path: Path) -> None:
    assert outcome.judge(end(-9), left(tmp_path, FINAL, keeps=False)).state == "lost"


def test_a_training_without_a_result_has_not_completed_whatever_it_keeps(tmp_path: Path) -> None:
    assert outcome.judge(end(-9), left(tmp_path, files=WHOLE)).state == "lost"
    assert outcome.judge(end(3), left(tmp_path, files=WHOLE)).reason == "diverged"


@pytest.mark.parametrize("events", [(FINAL, WEIGHTS), (FINAL,)])
def test_weights_that_are_whole_count_even_if_the_line_about_them_is_cut_off(
    tmp_path: Path, events: tuple[dict[str, Any], ...]
) -> None:
    folder = left(tmp_path, *events, files=WHOLE)
    with folder.metrics.open("a") as file:
        file.write('{"event": "wei')
    found = outcome.judge(end(-9), folder)
    seconds = 0.5 if WEIGHTS in events else None
    assert (found.state, found.lost_weights) == ("completed", None)
    assert (found.columns["weights_bytes"], found.columns["weights_seconds"]) == (4, seconds)
    adopted = outcome.adopt(folder)
    assert adopted is not None
    assert adopted.columns["weights_bytes"] == 4


@pytest.mark.parametrize("there", [("model.json",), ("model.safetensors",), ()])
def test_weights_that_were_reported_and_are_not_whole_here_are_lost(
    tmp_path: Path, there: tuple[str, ...]
) -> None:
    found = outcome.judge(end(0), left(tmp_path, FINAL, WEIGHTS, files=there))
    assert found.state == "completed"
    assert found.lost_weights == "the weights are not kept: they did not come back"


def test_a_warning_of_the_trainer_is_told_in_one_line(tmp_path: Path) -> None:
    found = outcome.judge(end(0), left(tmp_path, FINAL, {"event": "warning", "message": "no\nroom"}))
    assert found.lost_weights == "no room"


def test_a_resume_that_keeps_other_weights_finds_its_own_configuration(tmp_path: Path) -> None:
    folder = left(tmp_path)
    assert folder.has_config(CONFIG)
    before = folder.config.read_bytes()
    folder.write_config(CONFIG)  # by a resume with --keep-weights none
    assert folder.config.read_bytes() == before, "or a job in SLURM would not be known again"
    assert not folder.has_config({**CONFIG, "seed": 1})


@pytest.mark.parametrize(
    "clear", [lambda folder: folder.prepare(CONFIG, True, "local"), TrialFolder.remove_weights]
)
def test_no_attempt_finds_weights_of_another_whole_or_not(tmp_path: Path, clear: Any) -> None:
    names = ("model.safetensors", "model.json.new", "model.safetensors.node1.123", "network.py")
    clear(left(tmp_path, files=names))
    assert not list(tmp_path.glob("model*")) + list(tmp_path.glob("network*"))

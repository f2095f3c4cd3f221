"""A training that took no step, or far more than its seconds, is no result."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.search.baseline import BaselineFailed
from orchestrator.trial.outcome import TrialOutcome, judge_budget
from tests.orchestrator._studies import evaluate, run, trials

STEPS, SECONDS, MINUTES = {"steps": 10}, {"seconds": 3.0}, {"seconds": 600.0}


@pytest.mark.parametrize(
    ("budget", "told", "reason"),
    [
        (SECONDS, {"steps": 5, "train_seconds": 6.0}, "over_budget"),
        (SECONDS, {"overshoot_seconds": 3.0}, "over_budget"),
        (
            SECONDS,
            {"train_seconds": 3.9, "overshoot_seconds": 0.9},
            None,
        ),  # of a second that a machine may be late
        (MINUTES, {"train_seconds": 659.0}, None),
        (MINUTES, {"train_seconds": 661.0}, "over_budget"),
        (MINUTES, {"train_seconds": 598.0, "overshoot_seconds": -2.0, "steps": 9}, None),
        (MINUTES, {"train_seconds": None, "overshoot_seconds": None, "steps": None}, None),
        (STEPS, {"train_seconds": 1e6, "overshoot_seconds": 0.0, "steps": 10}, None),
        (STEPS, {"steps": 0}, "no_steps"),
        (SECONDS, {"steps": 0, "train_seconds": 9.0}, "no_steps"),
    ],
)
def test_a_result_counts_if_its_network_was_trained_and_within_the_budget(
    budget: dict[str, Any], told: dict[str, Any], reason: str | None
) -> None:
    found = TrialOutcome("completed", None, None, {"val_accuracy": 0.9, **told}, has_read_test=True)
    judged = judge_budget(found, {"budget": budget})
    if reason is None:
        assert judged is found
        return
    assert (judged.state, judged.reason, judged.columns["val_accuracy"]) == ("failed", reason, None)
    assert judged.has_read_test
    assert judged.columns.items() >= told.items()


@pytest.mark.parametrize("state", ["failed", "refused", "stopped", "lost", "pruned"])
def test_what_is_no_result_already_keeps_its_reason(state: Any) -> None:
    found = TrialOutcome(state, "why", columns={"steps": 0})
    assert judge_budget(found, {"budget": SECONDS}) is found


FAULTS = [
    ("fake:sleep=2.2", "1s", "over_budget", r"^took [\d.]+ s of a budget of 1 s; give a longer --budget"),
    ("fake:steps=0", "10steps", "no_steps", "^took no step, so its network is untrained; give a longer"),
]


@pytest.mark.parametrize(("data", "budget", "reason", "message"), FAULTS)
def test_a_trial_without_a_result_that_counts_has_failed_and_is_not_tried_again(
    tmp_path: Path, data: str, budget: str, reason: str, message: str
) -> None:
    evaluate(tmp_path, data=data, budget=budget, runs=1, no_test=True)
    [row] = trials(tmp_path)
    assert (row.state, row.reason, row.attempts, row.val_accuracy) == ("failed", reason, 1, None)
    assert row.message is not None
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection, connection:
        connection.execute("UPDATE trials SET state = 'running', finished_at = NULL, reason = NULL")
    evaluate(tmp_path, data=data, budget=budget, runs=1, no_test=True)
    [again] = trials(tmp_path)
    assert (again.state, again.reason, again.attempts) == ("failed", reason, 1), (
        "adopted, and judged the same"
    )
    assert re.search(message, again.message or "")


def test_a_base_network_that_took_no_step_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(BaselineFailed, match=r"trial 1: no_steps, took no step, .* longer --budget"):
        run(tmp_path, data="fake:steps=0")

"""What is spent is counted whatever came of it, and hours bound a search as trainings do."""

import io
import math
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.executors import local
from orchestrator.executors._process.slots import Slot
from orchestrator.executors.local import gpus
from orchestrator.search.baseline import BaselineFailed
from orchestrator.search.budget import StudyBudget, search_budget
from orchestrator.spec.command_options import BadOption
from orchestrator.study import plan
from orchestrator.trainer_client import NetworkInfo, Stopped
from orchestrator.trial import runner, usage
from orchestrator.trial.folder import TrialFolder
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.usage import Usage
from results import queries
from results.db.store import Store
from results.db.tables import Trial
from results.format import plain_rows
from tests.orchestrator._processes import eventually, job
from tests.orchestrator._studies import run, settled, trials

BRIEF: dict[str, Any] = {
    "data": "fake:sleep=0.1",
    "trials": 60,
    "min_accuracy": 0.1,
    "tolerance": 0.0,
    "early_stop": 0.0,
}


def row(number: int, **columns: object) -> Trial:
    return Trial(number=number, **{"state": "completed", "attempts": 1, "purpose": "search", **columns})


def order(number: int, on_record: Trial | None = None) -> TrialRequest:
    description = NetworkInfo("senet18", 1, "counter", 1, (64,), (2,), 32, 32, 10, {})
    return TrialRequest(number, "search", {}, 0, {}, description, on_record)


def numbers(orders: list[TrialRequest]) -> list[int]:
    return [one.number for one in orders]


def used(folder: Path) -> float:
    return math.fsum(one.slot_seconds or 0.0 for one in trials(folder))


def overstep(rows: list[Trial]) -> float:
    """By how many seconds the last training took longer than the dearest before it: nobody foresees that."""
    *before, last = [one.slot_seconds or 0.0 for one in rows if one.slot_seconds]
    return max(0.0, last - max(before, default=0.0))


def test_a_search_ends_before_its_hours_do_and_goes_on_with_more_of_them(tmp_path: Path) -> None:
    """Everything is measured against what the trainings took: how fast the machine is does not matter."""
    said = run(tmp_path, **BRIEF, max_gpu_hours=0.6 / 3600)
    rows = trials(tmp_path)
    dearest = max(one.slot_seconds or 0.0 for one in rows)
    assert 0.6 - dearest < used(tmp_path) <= 0.6 + overstep(rows)
    assert 1 <= len(rows) < 7
    assert "of its 0.000166667 device-hours, and a training takes up to" in said
    run(tmp_path, **BRIEF, max_gpu_hours=0.6 / 3600)
    assert len(trials(tmp_path)) == len(rows), "the same again trains nothing"
    larger = used(tmp_path) + 3 * dearest
    run(tmp_path, **BRIEF, max_gpu_hours=larger / 3600)
    more = trials(tmp_path)
    assert [one.point for one in more[: len(rows)]] == [one.point for one in rows]
    assert len(more) > len(rows)
    assert used(tmp_path) <= larger + overstep(more)
    study = queries.studies(tmp_path / "results.db").iloc[0]
    assert study["budget_slot_hours"] == larger / 3600
    assert study["slot_seconds"] == pytest.approx(used(tmp_path))


def test_failed_trainings_use_hours_too(tmp_path: Path) -> None:
    asked = {**BRIEF, "data": "fake:sleep=0.1,crash=1", "trials": 3}
    run(tmp_path, **asked, max_gpu_hours=0.6 / 3600, budget="10steps")
    failed = [one for one in trials(tmp_path) if one.state == "failed"]
    assert failed
    assert all(one.slot_seconds is not None for one in failed)


def test_hours_pay_for_what_was_left_open_first_and_trainings_for_new_ones_alone() -> None:
    done = [row(n, slot_seconds=100.0) for n in (1, 2)]
    left = row(3, state="running", slot_seconds=20.0)
    asked = [order(4), order(3, left), order(5)]
    assert numbers(StudyBudget(10, 421 / 3600).select(asked, [*done, left])) == [4, 3]
    assert numbers(StudyBudget(10, 419 / 3600).select(asked, [*done, left])) == [3]
    assert numbers(StudyBudget(3, 1.0).select(asked, [*done, left])) == [3]
    assert numbers(StudyBudget(4).select(asked, [*done, left])) == [4, 3]
    assert not StudyBudget(10, 319 / 3600).covers_a_training([*done, left])


def test_a_training_counts_for_the_dearest_so_far_or_its_own_budget() -> None:
    rows = [row(1, slot_seconds=10.0), row(2, slot_seconds=60.0), row(3, slot_seconds=900.0, attempts=3)]
    assert StudyBudget(99, 1.0, 30.0).count_by_hours(()) == 120
    assert StudyBudget(99, 1.0, 30.0).count_by_hours(rows) == (3600 - 970) // 60
    assert StudyBudget(99, 1.0).count_by_hours(()) is None, "nobody knows how long a step takes"


def test_a_front_is_known_by_hours_kept_back(tmp_path: Path) -> None:
    request = settled(tmp_path, minimise="macs", maximise="accuracy", confirm=4, max_gpu_hours=4.0, trials=40)
    whole = StudyBudget(40, 4.0)
    assert search_budget(whole, request, ()) == StudyBudget(30, 3.0)
    trained = [row(n, purpose="confirmation", slot_seconds=1800.0) for n in range(1, 5)]
    assert search_budget(whole, request, trained) == StudyBudget(34, 4.0)


def test_hours_for_less_than_the_baseline_and_one_training_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="is enough for 2 trainings, but the search needs 2 of"):
        run(tmp_path, budget="300s", replicates=2, max_gpu_hours=0.2)
    with pytest.raises(BadOption, match="is not positive"):
        settled(tmp_path, max_gpu_hours=0.0)


def test_a_plan_says_how_many_trainings_the_hours_are_enough_for(tmp_path: Path) -> None:
    printed = io.StringIO()
    request = settled(tmp_path, budget="360s", trials=20, max_gpu_hours=1.0)
    plan.show_plan(request, Console(file=printed, width=200))
    assert "limit: 1 device-hours, failed trainings included: enough for 10" in (printed.getvalue())


def test_a_stopped_attempt_is_charged_and_its_sequel_on_top_of_it(tmp_path: Path) -> None:
    asked = {**BRIEF, "data": "fake:sleep=3", "trials": 1, "executor": "local"}
    stop = threading.Event()

    def when_it_runs() -> None:
        eventually((tmp_path / "s" / "00001" / "metrics.jsonl").exists)
        stop.wait(0.3)
        stop.set()

    threading.Thread(target=when_it_runs).start()
    with pytest.raises(Stopped):
        run(tmp_path, stop, **asked)
    [left] = trials(tmp_path)
    assert (left.state, left.started_at) == ("running", None)
    assert 0.2 < (left.slot_seconds or 0.0) < 3
    run(tmp_path, **asked)
    [ended] = trials(tmp_path)
    assert (ended.attempts, ended.state) == (2, "completed")
    assert (ended.slot_seconds or 0.0) > (left.slot_seconds or 0.0) + 1.5
    assert ended.energy_joules is None, "no GPU, no number"


def test_an_attempt_nobody_saw_end_counts_until_it_last_wrote(tmp_path: Path) -> None:
    begun = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for name, seconds in (("metrics.jsonl", 40), ("log.txt", 12)):
        (tmp_path / name).write_text("{}\n")
        written = (begun + timedelta(seconds=seconds)).timestamp()
        os.utime(tmp_path / name, (written, written))
    assert usage.estimate_usage(row(1, started_at=begun), TrialFolder(tmp_path), 3600.0) == Usage(40.0, None)
    again = row(1, started_at=begun, slot_seconds=7.0, energy_joules=3.0)
    assert usage.estimate_usage(again, TrialFolder(tmp_path), 3600.0) == Usage(47.0, None)
    waiting = row(1, started_at=None, slot_seconds=7.0, energy_joules=3.0)
    assert usage.estimate_usage(waiting, TrialFolder(tmp_path), 3600.0) == Usage(7.0, 3.0)
    assert usage.estimate_usage(again, TrialFolder(tmp_path), 25.0) == Usage(32.0, None), (
        "a clock that jumped charges no more"
    )


def test_a_gpu_s_counter_is_read_before_and_after_a_trial(tmp_path: Path) -> None:
    counted = iter([1000.0, 1250.5, 2000.0, 30.0])
    executor = local.Local([Slot("gpu-0", {}, meter=lambda: next(counted))], device="cuda")
    ends = [executor.run(job(tmp_path / str(n), "-c", "pass"), threading.Event()) for n in range(2)]
    executor.close()
    assert [end.energy_joules for end in ends] == [250.5, None], "a counter that began anew tells nothing"


def test_energy_of_a_gpu_that_is_not_there_is_not_known() -> None:
    assert gpus.energy_joules("GPU-00000000-0000-0000-0000-000000000000") is None


def test_energy_is_known_of_all_attempts_or_not_at_all() -> None:
    assert Usage(1.0, 5.0) + Usage(2.0, 6.0) == Usage(3.0, 11.0)
    assert Usage(1.0, None) + Usage(2.0, 6.0) == Usage(3.0, None)


def test_energy_on_record_is_summed_with_how_many_trainings_it_is_of(tmp_path: Path) -> None:
    with Store(tmp_path / "r.db") as store:
        study = store.open_study("s", "nas", {}, 9, {}, None, 2)
        for number, joules in enumerate((1.8e6, None, 1.8e6), 1):
            trial = store.start_trial(study.id, number, purpose="search")
            store.finish_trial(trial.id, "completed", slot_seconds=60.0, energy_joules=joules)
    [found] = plain_rows(queries.studies(tmp_path / "r.db"))
    assert (found["energy_joules"], found["measured"], found["trainings"]) == (3.6e6, 2, 3)


def test_trainings_that_are_killed_again_and_again_use_no_more_than_the_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PAUSE_SECONDS", 0.0)
    asked = {**BRIEF, "executor": "local", "retries": 100, "trials": 4, "block": 1}
    said = run(tmp_path, **{**asked, "data": "fake:killed=1"}, max_gpu_hours=0.6 / 3600)
    [left] = trials(tmp_path)
    assert (left.state, left.started_at, left.val_accuracy) == ("running", None, None)
    assert 1 <= left.attempts < 100, "the hours end it, not the retries"
    assert "no device-hours are left to retry it" in said
    run(tmp_path, **{**asked, "data": "fake:killed=1"}, max_gpu_hours=0.6 / 3600)
    assert trials(tmp_path)[0].attempts == left.attempts, "the same again trains nothing"
    run(tmp_path, **{**asked, "data": "fake:killed=1"}, max_gpu_hours=1.2 / 3600)
    [more] = trials(tmp_path)
    assert more.attempts > left.attempts


def test_hours_that_are_used_up_begin_nothing_though_nobody_knows_how_long_a_training_takes() -> None:
    spent = [row(1, state="failed", slot_seconds=4000.0, attempts=9)]
    assert StudyBudget(99, 1.0).count_by_hours(spent) == 0
    assert not StudyBudget(99, 1.0).covers_retry(0, spent)
    assert StudyBudget(99, 2.0).covers_retry(3, spent)
    hung = row(2, state="failed", slot_seconds=900.0)
    assert StudyBudget(99, 2.0, 600.0).count_by_hours([hung]) == 7
    assert StudyBudget(99, 1.0, 600.0).covers_retry(2, [hung])
    assert not StudyBudget(99, 1.0, 600.0).covers_retry(3, [hung])


def test_a_base_network_that_the_hours_left_are_not_enough_for_is_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PAUSE_SECONDS", 0.0)
    asked: dict[str, Any] = {"executor": "local", "retries": 100, "max_gpu_hours": 0.3 / 3600}
    for _ in range(2):
        with pytest.raises(BaselineFailed, match=r"hours left are not enough .* larger --max-gpu-hours"):
            run(tmp_path, **asked, data="fake:killed=1")
        attempts = [one.attempts for one in trials(tmp_path)]
    with pytest.raises(BaselineFailed, match="hours left"):
        run(tmp_path, **asked, data="fake:killed=1")
    assert [one.attempts for one in trials(tmp_path)] == attempts, "the same again trains nothing"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"data": "fake:hang", "timeout": 0.1}, "timeout, .*; give a longer --timeout and run the same"),
        ({"data": "fake:killed=1", "retries": 0}, "killed, .*; fix that and run the same command again"),
        ({"data": "fake:diverge_above=-1"}, "diverged, .*; try other hyperparameters or a longer --budget"),
    ],
)
def test_what_failed_a_base_network_tells_what_to_do(
    tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(BaselineFailed, match=said):
        run(tmp_path, executor="local", **given)

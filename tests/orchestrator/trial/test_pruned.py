"""Searches of the fake trainer that stop hopeless trainings: what is cut, recorded, charged and told."""

import shlex
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.executors import StopOfOne
from orchestrator.pruners import PrunerConfig
from orchestrator.trial.folder import TrialFolder
from orchestrator.trial.outcome import count_affordable, count_spent
from results import queries
from results.db.store import Store
from results.db.tables import Trial
from results.errors import QuestionChanged
from results.format import plain_rows, stops_text
from tests.orchestrator._processes import HOSTED, eventually, naming
from tests.orchestrator._studies import run, trials

SMALL: dict[str, Any] = {"base_width": 0.15, "base_resolution": 0.75, "audit": 0.2, "seed": 2}  # all unlike
SLOW: dict[str, Any] = {"data": "fake:sleep=1", "executor": "local", "slots": 7, "block": 7}
ASKED: dict[str, Any] = {**SMALL, **SLOW, "trials": 14}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a search in which trials were cut, and what the command printed."""
    folder = tmp_path_factory.mktemp("study")
    return folder, run(folder, **ASKED)


def pruned(folder: Path) -> list[Trial]:
    return [row for row in trials(folder) if row.state == "pruned"]


def test_a_training_that_cannot_reach_the_bound_is_cut_and_says_why(study: tuple[Path, str]) -> None:
    folder, said = study
    rows = pruned(folder)
    assert rows
    for row in rows:
        assert (row.purpose, row.reason, row.audited) == ("search", "hopeless", 0)
        assert 0.25 <= (row.stop_progress or 0) < 1
        assert (row.val_accuracy or 1) < (row.predicted_accuracy or 0) < (row.stop_bound or 0) < 0.76
        assert f"stopped early at {row.stop_progress:.0%}: expected {row.predicted_accuracy:.2%}" in said
        assert row.wall_seconds is not None


def test_the_solver_hears_what_is_known_of_a_pruned_trial(study: tuple[Path, str]) -> None:
    for row in pruned(study[0]):
        assert row.objective == row.macs
        [missed] = row.constraints or [0.0]
        assert missed == pytest.approx((row.stop_bound or 0) - (row.predicted_accuracy or 0))
        assert missed > 0


def test_a_pruned_trial_keeps_its_curve_and_costs_the_share_it_used(study: tuple[Path, str]) -> None:
    folder, said = study
    rows = trials(folder)
    saved = sum(1 - (row.stop_progress or 0) for row in rows if row.state == "pruned")
    trained = sum(row.state in ("completed", "pruned") for row in rows)
    assert trained > 14 - 1, "what was saved was spent on others"
    assert 13 < count_spent(rows) <= 14
    assert count_spent(rows) == pytest.approx(trained - saved)
    curves = queries.learning_curves(folder / "results.db", "s")
    for row in pruned(folder):
        assert 2 <= len(curves[curves["trial"] == row.number]) < 5
    facts = queries.studies(folder / "results.db").iloc[0]
    assert (facts["trainings"], facts["spent"]) == (trained, pytest.approx(count_spent(rows)))
    assert f"{count_spent(rows):.4g}/14 trainings" in said


def test_neither_the_baseline_nor_the_audited_are_cut(study: tuple[Path, str]) -> None:
    rows = trials(study[0])
    assert {row.state for row in rows if row.purpose == "baseline"} == {"completed"}
    policy = PrunerConfig(audit=0.2)
    audited = [row for row in rows if row.purpose == "search" and policy.audits(2, row.number)]
    assert any(row.stop_progress for row in audited), "none that would have been stopped"
    assert "pruned" not in {row.state for row in audited}
    assert {row.audited for row in audited if row.state == "completed"} == {1}


def test_the_record_tells_what_was_saved_and_what_the_audit_found(study: tuple[Path, str]) -> None:
    folder, said = study
    rows = [row for row in trials(folder) if row.audited is not None]
    pruned = [row for row in rows if row.state == "pruned"]
    audited = [row for row in rows if row.audited and row.state == "completed"]
    would_stop = [row for row in audited if row.stop_bound is not None]
    [viewed] = plain_rows(queries.early_stops(folder / "results.db", "s"))
    assert pruned
    assert (viewed["pruned"], viewed["audited"]) == (len(pruned), len(audited))
    assert viewed["trainings_saved"] == pytest.approx(sum(1 - (row.stop_progress or 0) for row in pruned))
    assert viewed["would_stop"] == len(would_stop)
    assert viewed["false_stops"] == sum(
        (row.val_accuracy or 0) >= (row.stop_bound or 0) for row in would_stop
    )
    assert f"early stopping: {stops_text(viewed)}" in said


def test_the_same_command_again_adds_nothing_to_pruned_trials(study: tuple[Path, str]) -> None:
    folder, _ = study
    before = [(row.number, row.state, row.objective, row.constraints) for row in trials(folder)]
    run(folder, **ASKED)
    assert [(row.number, row.state, row.objective, row.constraints) for row in trials(folder)] == before


def test_a_search_stops_by_the_rule_it_was_given_and_resumes_by_it(tmp_path: Path) -> None:
    asked = {**SMALL, **SLOW, "trials": 10, "pruner": "median", "min_accuracy": 0.99}
    assert "half of" in run(tmp_path, **asked)
    stopped = pruned(tmp_path)
    assert stopped
    assert all((row.val_accuracy or 1) == row.predicted_accuracy for row in stopped)
    with Store(tmp_path / "results.db") as store:
        found = store.study("s")
        assert found is not None
        assert found.question["early_stop"] == {"pruner": "median", "audit": 0.2}
    run(tmp_path, **{**asked, "pruner": None, "audit": None})
    with pytest.raises(QuestionChanged, match=r"early stop pruner: 'median' recorded, nothing now"):
        run(tmp_path, **{**asked, "pruner": "learning_curve"})


@pytest.mark.parametrize("off", [{"early_stop": 0.0, "audit": None}, {"pruner": "none", "audit": None}])
def test_a_rule_given_to_a_study_that_stops_nothing_is_another_question(
    tmp_path: Path, off: dict[str, Any]
) -> None:
    run(tmp_path, trials=4, **off)
    run(tmp_path, trials=5, pruner="none")
    before = len(trials(tmp_path))
    for rule in ("median", "learning_curve"):
        with pytest.raises(QuestionChanged, match="early stop: nothing recorded, "):
            run(tmp_path, trials=6, pruner=rule)
    assert len(trials(tmp_path)) == before


def test_a_study_that_never_stopped_early_goes_on_so_unless_it_is_asked(tmp_path: Path) -> None:
    run(tmp_path, early_stop=0.0, trials=6)
    run(tmp_path, trials=8)
    assert {row.audited for row in trials(tmp_path)} == {None}
    with Store(tmp_path / "results.db") as store:
        found = store.study("s")
    assert found is not None
    assert "early_stop" not in found.question


def test_a_trial_that_ends_before_it_can_be_cut_is_completed(tmp_path: Path) -> None:
    run(tmp_path, trials=14, **SMALL)  # inside this process, which cannot be stopped
    rows = [row for row in trials(tmp_path) if row.stop_progress is not None]
    assert rows
    assert {row.state for row in rows} == {"completed"}


def test_the_share_of_false_stops_is_read_with_plain_sql(tmp_path: Path) -> None:
    with Store(tmp_path / "r.db") as store:
        study = store.open_study("s", "nas", {}, 9, {}, None)
        for number, (audited, bound, accuracy) in enumerate(
            [(1, 0.8, 0.82), (1, 0.8, 0.7), (1, None, 0.9), (0, 0.8, 0.9), (1, 0.8, 0.75)], start=1
        ):
            row = store.start_trial(study.id, number, purpose="search", config=None)
            found: dict[str, Any] = {"audited": audited, "val_accuracy": accuracy, "stop_bound": bound}
            store.finish_trial(row.id, "completed", **found, stop_progress=bound and 0.5)
    with closing(sqlite3.connect(tmp_path / "r.db")) as record:
        counted = record.execute("SELECT audited, would_stop, false_stops, false_stop_rate FROM early_stops")
        assert counted.fetchall() == [(4, 3, 1, pytest.approx(1 / 3))]


@pytest.mark.slow
def test_a_hosted_training_is_cut_with_all_its_processes(tmp_path: Path) -> None:
    run(tmp_path, **ASKED, trainer=shlex.join(HOSTED))
    assert pruned(tmp_path)
    assert eventually(lambda: naming(tmp_path) == []), "a process is left over"


def test_a_budget_is_spent_in_shares_but_a_training_begins_only_with_a_whole_one() -> None:
    cut = [Trial(state="pruned", stop_progress=share) for share in (0.3, 0.3, 0.4)]
    others = [Trial(state=state) for state in ("completed", "failed", "running", "screened", "duplicate")]
    assert count_spent(cut) == 1.0
    assert count_spent([*cut, *others]) == 4.0
    assert (count_affordable(5, [*cut, *others]), count_affordable(4, [*cut, *others])) == (1, 0)
    assert count_affordable(2, cut[:1]) == 1


def test_a_pruned_trial_leaves_no_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path)
    for path in (folder.checkpoint, tmp_path / "checkpoint.pt.new"):
        path.write_bytes(b"state")
    folder.remove_checkpoint()
    assert list(tmp_path.iterdir()) == []


def test_one_job_is_stopped_by_its_own_stop_and_by_everybodys() -> None:
    of_all = threading.Event()
    one, other = StopOfOne(of_all), StopOfOne(of_all)
    one.set()
    assert (one.is_set(), other.is_set(), of_all.is_set()) == (True, False, False)
    of_all.set()
    assert other.is_set()

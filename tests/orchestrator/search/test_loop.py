"""Whole searches of the fake trainer: what is trained, what is told, what the record says."""

import itertools
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from orchestrator.search.baseline import BaselineFailed
from orchestrator.spec.command_options import BadOption
from orchestrator.trainer_client import Stopped, TrainerRefused
from results import queries
from results.db.store import Store
from results.db.tables import Event, Model
from results.errors import QuestionChanged, StudyLocked
from tests.orchestrator._studies import record, run, trials
from tests.thinned import rest_slow

DRAWS: dict[str, Any] = {"data": "fake:noise=0"}  # without noise, what a search finds is what it finds


def test_a_search_finds_a_smaller_network_that_is_as_accurate(tmp_path: Path) -> None:
    run(tmp_path, trials=20, **DRAWS)
    with Store(tmp_path / "results.db") as store:
        model, study = store.model("nomad_senet18"), store.study("s")
    assert model is not None
    assert study is not None
    assert model.macs < (trials(tmp_path)[0].macs or 0)
    assert (model.val_accuracy or 0) >= (study.min_accuracy or 1)


def test_the_bound_is_the_mean_of_the_replicates_less_the_tolerance(tmp_path: Path) -> None:
    run(tmp_path, replicates=3, tolerance=0.02)
    baseline = [row for row in trials(tmp_path) if row.purpose == "baseline"]
    with Store(tmp_path / "results.db") as store:
        study = store.study("s")
    assert study is not None
    assert [row.seed for row in baseline] == [row.subset_seed for row in baseline] == [0, 1, 2]
    assert study.min_accuracy == pytest.approx(sum(row.val_accuracy or 0 for row in baseline) / 3 - 0.02)


def test_a_bound_of_the_users_own_needs_no_baseline(tmp_path: Path) -> None:
    run(tmp_path, min_accuracy=0.85, tolerance=0.0)
    assert {row.purpose for row in trials(tmp_path)} == {"search"}
    assert "screened" not in {row.state for row in trials(tmp_path)}, (
        "the base is not known to keep that bound"
    )


def test_no_solver_of_ours_proposes_what_would_be_skipped(tmp_path: Path) -> None:
    run(tmp_path, trials=20, confirm=4, tolerance=0.03, max_params="8M", **DRAWS)
    base, *rows = trials(tmp_path)
    searched = [row for row in rows if row.purpose == "search"]
    assert [row.state for row in searched if row.state in ("duplicate", "screened")] == ["duplicate"]
    assert all((row.macs or 0) < (base.macs or 0) for row in searched[1:])
    assert any(row.verdict == "confirmed" for row in searched)


@pytest.mark.usefixtures("heedless")
def test_points_that_cannot_win_or_were_trained_before_cost_nothing(tmp_path: Path) -> None:
    run(tmp_path, trials=20)
    rows = trials(tmp_path)
    base = rows[0]
    trained = [row for row in rows if row.state not in ("screened", "duplicate")]
    assert len(trained) == 20
    start = next(row for row in rows if row.purpose == "search")
    assert (start.state, start.of_trial_number) == ("duplicate", 1), "the start is the base network"
    screened = [row for row in rows if row.state == "screened"]
    assert screened
    assert all((row.macs or 0) >= (base.macs or 0) for row in screened)
    assert all((row.macs or 0) < (base.macs or 0) for row in trained if row.purpose == "search")


def test_a_search_ends_when_nothing_cheaper_is_left(tmp_path: Path) -> None:
    given: dict[str, Any] = {"min_accuracy": 0.5, "tolerance": 0.0, "width": "1", "depth": "1"}
    printed = run(tmp_path, trials=12, resolution=".75:1.5", **given)
    trained = [row.resolution or 0.0 for row in trials(tmp_path) if row.state == "completed"]
    assert min(trained) == trained[-1] == 0.75
    assert len(trained) < 7
    assert "nothing cheaper is left" in printed


@pytest.mark.usefixtures("heedless")
def test_a_space_of_seven_networks_costs_seven_trainings(tmp_path: Path) -> None:
    run(tmp_path, trials=12, min_accuracy=0.5, tolerance=0.0, width="1", depth="1", resolution=".75:1.5")
    trained = [row.network_key for row in trials(tmp_path) if row.state == "completed"]
    assert len(trained) == len(set(trained)) == 7, "one for each resolution of 24 to 48 pixels"


def test_the_same_command_again_trains_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    before = record(tmp_path)
    assert "8 of" in run(tmp_path) or "resuming" in run(tmp_path)
    assert record(tmp_path) == before


NOISY: dict[str, Any] = {"confirm": 4, "block": 3, "data": "fake:noise=.02,crash=.1", "tolerance": 0.03}
NOISY["seed"] = 2


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the record of a search that was asked for all its trials at once."""
    folder = tmp_path_factory.mktemp("once")
    run(folder, trials=16, **NOISY)
    return folder


@pytest.mark.parametrize("before", rest_slow([5, 6, 8, 9, 11, 13, 15], [11]))
def test_more_trials_go_on_as_if_they_had_been_asked_for_at_once(
    once: Path, tmp_path: Path, before: int
) -> None:
    run(tmp_path, trials=before, **NOISY)
    run(tmp_path, trials=16, **NOISY)
    assert record(tmp_path) == record(once)
    assert any(row["purpose"] == "confirmation" for row in record(once))


@pytest.mark.parametrize(
    ("solver", "block"),
    rest_slow(itertools.product(["nomad", "tpe", "random"], [1, 3]), [("nomad", 3)]),
)
def test_a_stopped_search_resumes_to_the_record_of_one_that_was_not(
    tmp_path: Path, solver: str, block: int
) -> None:
    given: dict[str, Any] = {"solver": solver, "block": block, "trials": 12, "data": "fake:crash=0.1"}
    given |= {"confirm": 4, "tolerance": 0.03}
    run(tmp_path / "calm", **given)
    for begun in (4, 8):
        with pytest.raises(Stopped):
            run(tmp_path / "stopped", stopping_at(tmp_path / "stopped" / "s", begun), **given)
    run(tmp_path / "stopped", **given)
    assert record(tmp_path / "stopped") == record(tmp_path / "calm")


def stopping_at(study: Path, begun: int) -> threading.Event:
    """A stop that comes when so many trials have begun."""

    class Stop(threading.Event):
        def is_set(self) -> bool:
            return super().is_set() or len(list(study.glob("0*"))) >= begun

    return Stop()


def test_another_question_under_the_same_name_is_refused_with_the_difference_named(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(QuestionChanged, match=r"budget steps: 10 recorded, 20 now"):
        run(tmp_path, budget="20steps")
    with pytest.raises(QuestionChanged, match="solver name"):
        run(tmp_path, solver="tpe")


def test_a_study_that_runs_elsewhere_is_refused(tmp_path: Path) -> None:
    with (
        Store(tmp_path / "results.db") as store,
        store.lock_study("s"),
        pytest.raises(StudyLocked, match="study"),
    ):
        run(tmp_path)


def test_failed_trials_are_heard_and_the_search_goes_on(tmp_path: Path) -> None:
    run(tmp_path, trials=30, data="fake:oom=0.1,crash=0.1,diverge_above=0.85", replicates=1, seed=6)
    rows = trials(tmp_path)
    reasons = Counter(row.reason for row in rows if row.state == "failed")
    assert set(reasons) == {"out_of_memory", "crashed", "diverged"}
    assert all(row.message and row.objective is None for row in rows if row.state == "failed")
    assert sum(row.state in ("completed", "failed") for row in rows) == 30


@pytest.mark.parametrize(
    ("fault", "reason"), [("nan", "no_result"), ("garbage", "bad_report"), ("noresult", "no_result")]
)
def test_a_trainer_that_breaks_the_protocol_is_a_failed_trial(
    tmp_path: Path, fault: str, reason: str
) -> None:
    with pytest.raises(BaselineFailed, match=reason):
        run(tmp_path, data=f"fake:{fault}")


def test_a_trial_that_hangs_is_stopped_and_is_a_timeout(tmp_path: Path) -> None:
    with pytest.raises(BaselineFailed, match="timeout"):
        run(tmp_path, data="fake:hang", executor="local", timeout=0.5, replicates=1)
    assert [row.reason for row in trials(tmp_path)] == ["timeout"]


def test_a_trial_that_the_trainer_refuses_ends_the_search_with_its_message(tmp_path: Path) -> None:
    with pytest.raises(TrainerRefused, match="trial 1: refused as asked"):
        run(tmp_path, data="fake:refuse_late")
    with Store(tmp_path / "results.db") as store:
        study = store.study("s")
    assert study is not None
    assert study.state == "failed"
    assert [(row.state, row.reason) for row in trials(tmp_path)] == [("failed", "refused")]


def test_a_winner_is_confirmed_on_other_images_with_other_seeds(tmp_path: Path) -> None:
    run(tmp_path, trials=16, confirm=4, tolerance=0.03, **DRAWS)
    with Store(tmp_path / "results.db") as store:
        model = store.model("nomad_senet18")
    assert model is not None
    assert model.status == "confirmed"
    confirming = [row for row in trials(tmp_path) if row.purpose == "confirmation"]
    winner = next(row for row in trials(tmp_path) if row.id == model.trial_id)
    seeds = [(row.seed, row.subset_seed) for row in confirming if row.of_trial_number == winner.number]
    assert seeds == [(n, n) for n in range(1, 5)][: len(seeds)] != []
    assert model.trainings == len(seeds)
    assert (model.probability or 0) >= 0.95
    assert (model.accuracy_low or 1) < (model.val_accuracy or 0) < (model.accuracy_high or 0)


def test_a_winner_by_luck_is_rejected(tmp_path: Path) -> None:
    printed = run(tmp_path, trials=16, confirm=2, data="fake:noise=.03", tolerance=0.0, seed=4)
    assert "rejected" in printed
    with Store(tmp_path / "results.db") as store:
        study = store.study("s")
        assert study is not None
        assert "candidate_rejected" in {event.kind for event in store.events(study.id)}


def test_a_winner_without_a_verdict_after_the_most_replicates_is_undecided_and_provisional(
    tmp_path: Path,
) -> None:
    printed = run(
        tmp_path, trials=12, confirm=2, seed=1, solver="random", tolerance=0.01, data="fake:noise=.01"
    )
    undecided = [row for row in trials(tmp_path) if row.verdict == "undecided"]
    assert undecided
    assert all(0.5 < (row.probability or 0) < 1 - 0.05 / 3 for row in undecided)
    assert all((row.constraints or [0])[0] > 0 for row in undecided), "the solver hears of a miss"
    assert "(99.0% needed)" in printed
    model = saved(tmp_path)
    assert model is not None
    assert model.status == "provisional"
    likeliest = max(undecided, key=lambda row: row.probability or 0)
    assert model.trial_id == likeliest.id
    assert (model.probability or 0) > 0.5
    assert sure_at_the_bound(tmp_path) == 1, "of the base itself alone"


def sure_at_the_bound(folder: Path) -> object:
    """The trial that `nas-results slack` is sure of."""
    found = queries.slack(folder / "results.db", "s")
    return found[(found["slack"] == 0) & (found["evidence"] == "sure")]["trial"].iloc[0]


def test_hpo_takes_the_model_a_search_saved(tmp_path: Path) -> None:
    run(tmp_path)
    with Store(tmp_path / "results.db") as store:
        found = store.model("nomad_senet18")
    assert found is not None
    printed = run(tmp_path, kind="hpo", subject="nomad_senet18", study="h", trials=6)
    assert "saved by the study s" in printed
    tuned = trials(tmp_path, "h")
    assert {row.width for row in tuned} == {found.width}
    assert len({row.learning_rate for row in tuned}) > 1
    assert tuned[0].optimizer == "sgd"


@pytest.mark.parametrize(
    ("name", "width", "resolution"), [("nomad_senet18", 0.67, 1.0), ("nomad_resnet18", 0.73, 1.18)]
)
def test_hpo_on_a_fresh_record_takes_the_papers_variant(
    tmp_path: Path, name: str, width: float, resolution: float
) -> None:
    printed = run(tmp_path, kind="hpo", subject=name, trials=1)
    assert "built in: the NOMAD paper's variant" in printed
    assert {(row.width, row.resolution) for row in trials(tmp_path)} == {(width, resolution)}


def test_a_budget_that_leaves_nothing_for_the_search_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="give at least 4"):
        run(tmp_path, trials=3, replicates=3, confirm=2)


def test_an_unknown_network_is_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(TrainerRefused, match="senet99"):
        run(tmp_path, subject="senet99")
    with Store(tmp_path / "results.db") as store:
        assert store.studies() == []


@pytest.mark.slow
def test_a_model_whose_trial_is_rejected_later_is_withdrawn(tmp_path: Path) -> None:
    noisy: dict[str, Any] = {"data": "fake:noise=.03", "tolerance": 0.0, "seed": 4, "confirm": 2}
    run(tmp_path, trials=15, **noisy)
    found = saved(tmp_path)
    for budget in (17, 19, 21):
        printed = run(tmp_path, trials=budget, **noisy)
        rejected = {event.trial_id for event in events(tmp_path) if event.kind == "candidate_rejected"}
        found = saved(tmp_path)
        assert found is None or found.trial_id not in rejected
        assert ("saved as model" in printed) == (found is not None)


def test_a_folder_with_the_trials_of_another_database_is_refused(tmp_path: Path) -> None:
    run(tmp_path, db=str(tmp_path / "a.db"))
    with pytest.raises(BadOption, match=r"holds trials of another results database, .*a\.db"):
        run(tmp_path, db=str(tmp_path / "b.db"))


def test_confirmations_are_counted_in_the_budget(tmp_path: Path) -> None:
    run(tmp_path, trials=15, confirm=3, data="fake:noise=.03")
    rows = [row for row in trials(tmp_path) if row.state not in ("screened", "duplicate")]
    assert {row.purpose for row in rows} == {"baseline", "search", "confirmation"}
    assert len(rows) == 15


@pytest.mark.usefixtures("heedless")
def test_a_point_that_cannot_beat_the_confirmed_network_is_screened(tmp_path: Path) -> None:
    run(tmp_path, trials=20, confirm=4, tolerance=0.03, **DRAWS)
    rows = {row.number: row for row in trials(tmp_path)}
    screened = [row for row in rows.values() if row.state == "screened" and row.of_trial_number]
    assert screened
    for row in screened:
        incumbent = rows[row.of_trial_number or 0]
        assert incumbent.verdict == "confirmed"
        assert incumbent.number < row.number
        assert (row.macs or 0) >= (incumbent.macs or 0)


def test_a_network_that_keeps_failing_when_trained_again_is_rejected(tmp_path: Path) -> None:
    run(tmp_path, trials=30, confirm=4, data="fake:crash=.3,noise=0", replicates=1, seed=2)
    rows = trials(tmp_path)
    failed = {row.of_trial_number for row in rows if row.purpose == "confirmation" and row.state == "failed"}
    assert failed
    assert {row.verdict for row in rows if row.number in failed} == {"rejected"}
    assert all((row.constraints or [0])[0] > 0 for row in rows if row.verdict == "rejected")


def test_a_winner_that_the_budget_cannot_confirm_is_provisional(tmp_path: Path) -> None:
    run(tmp_path, trials=4, confirm=3, replicates=1, seed=1, tolerance=0.03, data="fake:noise=.01")
    model = saved(tmp_path)
    assert model is not None
    assert (model.status, model.trainings) == ("provisional", 1)


MEASURED: dict[str, Any] = {  # in which the base is trained again for a verdict
    "trials": 40,
    "confirm": 5,
    "solver": "random",
    "seed": 2,
    "data": "fake:noise=.004",
}


def test_the_base_is_trained_again_where_a_verdict_lacks_that(tmp_path: Path) -> None:
    printed = run(tmp_path, **MEASURED)
    rows = trials(tmp_path)
    again = [row for row in rows if row.purpose == "baseline" and row.number > 2]
    assert [row.replicate for row in again] == list(range(2, 2 + len(again)))
    assert again, "and they count as trainings"
    assert sum(row.state not in ("screened", "duplicate") for row in rows) <= 40
    judged = [row for row in rows if row.verdict and row.difference is not None]
    assert judged
    for row in judged:
        assert (row.difference_low or 0) < (row.difference or 0) < (row.difference_high or 0)
        assert row.pairs is not None
        assert 0 < (row.shared_noise or 0) < 1
    assert "at most 1 point less accurate than the base with probability" in printed
    base = [row.val_accuracy or 0 for row in rows if row.purpose == "baseline"]
    lines = {words[0]: words[1] for line in printed.splitlines() if len(words := line.split()) == 3}
    shown = lines["accuracy"], lines["trainings"]
    assert shown == (f"{fmean(base):.2%}", str(len(base))), "of all its trainings, as in the report"
    found = saved(tmp_path)
    assert found is not None
    assert (found.difference, found.pairs) == next(
        (row.difference, row.pairs) for row in rows if row.id == found.trial_id
    )


@pytest.mark.parametrize("begun", rest_slow(range(4, 40, 3), [13, 25]))
def test_a_search_stopped_between_repeats_of_base_and_candidate_resumes_alike(
    tmp_path: Path, begun: int
) -> None:
    run(tmp_path / "calm", **MEASURED)
    stopped = tmp_path / "stopped"
    with pytest.raises(Stopped):
        run(stopped, stopping_at(stopped / "s", begun), **MEASURED)
    run(stopped, **MEASURED)
    assert record(stopped) == record(tmp_path / "calm")


@pytest.mark.parametrize("given", [{}, {"min_accuracy": 0.89}])
def test_no_candidate_gets_more_repeats_than_are_allowed(tmp_path: Path, given: dict[str, Any]) -> None:
    run(tmp_path, **{"trials": 16, "confirm": 1, "solver": "random", "block": 3, "seed": 2, **given})
    again = Counter(row.of_trial_number for row in trials(tmp_path) if row.purpose == "confirmation")
    assert again
    assert set(again.values()) == {1}


@pytest.mark.parametrize(("seed", "trial_count"), [(8, 13), (5, 7)])
def test_a_network_whose_repeat_failed_is_not_named_where_the_budget_ends(
    tmp_path: Path, seed: int, trial_count: int
) -> None:
    """Two repeats were to be judged together, and the budget was spent before the second."""
    crashing: dict[str, Any] = {"confirm": 4, "solver": "random", "block": 2, "data": "fake:crash=.3"}
    run(tmp_path, trials=trial_count, seed=seed, **crashing)
    rows, found = trials(tmp_path), saved(tmp_path)
    repeats = [row for row in rows if row.purpose == "confirmation"]
    undecided = {row.number for row in rows if row.verdict is None}
    failed = {row.of_trial_number for row in repeats if row.state == "failed"} & undecided
    assert failed
    assert found is None or found.trial_id not in {row.id for row in rows if row.number in failed}


def test_a_study_of_the_older_rule_goes_on_by_it(tmp_path: Path) -> None:
    """Its settings have no version: the mean of its baseline stays exact, and is not measured again."""
    run(tmp_path, **MEASURED | {"trials": 6})
    with closing(sqlite3.connect(tmp_path / "results.db")) as database, database:
        database.execute("UPDATE studies SET question = json_remove(question, '$.confirmation.version')")
    run(tmp_path, **MEASURED)
    rows = trials(tmp_path)
    assert [row.number for row in rows if row.purpose == "baseline"] == [1, 2]
    assert {row.verdict for row in rows} > {None}
    assert {row.difference for row in rows} == {None}


def saved(folder: Path) -> Model | None:
    with Store(folder / "results.db") as store:
        return store.model("nomad_senet18")


def events(folder: Path) -> list[Event]:
    with Store(folder / "results.db") as store:
        study = store.study("s")
        assert study is not None
        return store.events(study.id)

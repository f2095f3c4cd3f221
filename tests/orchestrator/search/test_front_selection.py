"""Searches for the front of size and accuracy: what is told, what is trained again, what is left."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.spec.command_options import BadOption
from orchestrator.trainer_client import Stopped
from results import queries
from results.db.store import Store
from tests.orchestrator._studies import record, run, trials
from tests.orchestrator.search.test_loop import stopping_at
from tests.thinned import rest_slow

BOTH: dict[str, Any] = {"minimise": "macs", "maximise": "accuracy", "trials": 24, "confirm": 2}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search for both, to be read only."""
    folder = tmp_path_factory.mktemp("searched")
    run(folder, **BOTH)
    return folder


def test_a_search_for_both_tells_the_solver_of_both(searched: Path) -> None:
    rows = trials(searched)
    assert {row.purpose for row in rows} == {"search", "confirmation"}, "it needs no baseline"
    for row in rows:
        if row.purpose == "search":
            assert row.state == "completed", "nothing is screened against another"
            assert (row.objective, row.constraints) == (row.macs, [])
            assert row.other_objectives == [1.0 - (row.val_accuracy or 0)]


def test_a_quarter_of_the_budget_is_kept_back_for_the_front(searched: Path, tmp_path: Path) -> None:
    rows = trials(searched)
    again = [row for row in rows if row.purpose == "confirmation"]
    assert (len(again), len(rows)) == (6, 24)
    run(tmp_path / "none", **{**BOTH, "confirm": 0})
    assert {row.purpose for row in trials(tmp_path / "none")} == {"search"}


def test_the_front_is_of_means_that_leave_the_selecting_training_out(tmp_path: Path) -> None:
    printed = run(tmp_path, **{**BOTH, "trials": 32}, data="fake:noise=.05")
    rows = {row.number: row for row in trials(tmp_path)}
    front = queries.front(tmp_path / "results.db", "s")
    sizes, means = front["macs"].tolist(), front["mean_accuracy"].tolist()
    assert sizes == sorted(sizes)
    assert means == sorted(means)
    for member in front.to_dict("records"):
        again = [row.val_accuracy or 0 for row in rows.values() if row.of_trial_number == member["trial"]]
        own = [rows[member["trial"]].val_accuracy]
        assert member["trainings"] == max(1, len(again))
        assert member["mean_accuracy"] == pytest.approx(sum(again) / len(again) if again else own[0])
    dropped = {row.of_trial_number for row in rows.values() if row.of_trial_number} - set(front["trial"])
    assert dropped, "with so much noise the replicates find some out"
    assert "saved as models front_senet18_1 to front_senet18_" in printed


def test_plain_sql_gives_the_same_front(tmp_path: Path) -> None:
    run(tmp_path, **BOTH, data="fake:noise=.05", min_accuracy=0.6)
    with closing(sqlite3.connect(tmp_path / "results.db")) as database:
        plain = database.execute("SELECT trial, mean_accuracy FROM front ORDER BY macs").fetchall()
        assert database.execute("SELECT COUNT(*) FROM best_trials").fetchone() == (0,)
    front = queries.front(tmp_path / "results.db", "s")
    assert [trial for trial, _ in plain] == front["trial"].tolist()
    assert [mean for _, mean in plain] == pytest.approx(front["mean_accuracy"].tolist())
    assert all(front["mean_accuracy"] >= 0.6)


def test_each_network_of_the_front_is_a_model_that_can_be_tuned(searched: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(searched, tmp_path / "searched")
    front = queries.front(folder / "results.db", "s")
    models = queries.models(folder / "results.db").sort_values("macs")
    assert models["name"].tolist() == [f"front_senet18_{place}" for place in range(1, len(front) + 1)]
    assert models["trial"].tolist() == front["trial"].tolist()
    assert models["val_accuracy"].tolist() == front["mean_accuracy"].tolist()
    run(folder, kind="hpo", subject="front_senet18_1", study="h", trials=1)
    assert {row.macs for row in trials(folder, "h")} == {models["macs"].min()}


def test_limits_hold_on_a_front(tmp_path: Path) -> None:
    run(tmp_path, **BOTH, max_params="6M")
    over = [row for row in trials(tmp_path) if (row.parameters or 0) > 6_000_000]
    assert over
    for row in over:
        assert (row.state, row.objective, row.other_objectives) == ("screened", row.macs, [1.0])


@pytest.mark.parametrize("size", rest_slow(["params", "latency"], ["latency"]))
def test_the_front_may_be_of_any_size(tmp_path: Path, size: str) -> None:
    run(tmp_path, **{**BOTH, "minimise": size, "trials": 12})
    column = {"params": "parameters", "latency": "latency_ms"}[size]
    front = queries.front(tmp_path / "results.db", "s")
    assert front[column].is_monotonic_increasing
    assert all(row.objective == getattr(row, column) for row in trials(tmp_path) if row.purpose == "search")


def test_the_front_of_architectures_has_no_baseline_either(tmp_path: Path) -> None:
    subject: dict[str, Any] = {"kind": "hpo", "subject": "resnet_budget", "space": "resnet_budget"}
    run(tmp_path, **subject, **{**BOTH, "minimise": "params", "trials": 12})
    assert {row.purpose for row in trials(tmp_path)} == {"search", "confirmation"}
    assert "front_resnet_budget_1" in set(queries.models(tmp_path / "results.db")["name"])


HARRIED: dict[str, Any] = {**BOTH, "block": 2, "data": "fake:noise=.03,crash=.1"}


@pytest.fixture(scope="module", params=rest_slow(["nomad", "nsgaii"], ["nomad"]))
def calm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A solver, and the folder of a search by it that nothing stopped."""
    folder = tmp_path_factory.mktemp("calm")
    run(folder, **HARRIED, solver=request.param)
    return request.param, folder


@pytest.mark.parametrize("begun", rest_slow([4, 13, 19, 22], [19]))
def test_a_search_for_a_front_resumes_to_the_same_record(
    calm: tuple[str, Path], tmp_path: Path, begun: int
) -> None:
    asked = {**HARRIED, "solver": calm[0]}
    with pytest.raises(Stopped):
        run(tmp_path, stopping_at(tmp_path / "s", begun), **asked)
    run(tmp_path, **asked)
    assert facts(tmp_path) == facts(calm[1])
    ended = {message(folder) for folder in (tmp_path, calm[1])}
    assert ended == {"the search has spent its 18 trainings, and 6 more to retrain its best candidates"}
    fronts = [queries.front(folder / "results.db", "s") for folder in (tmp_path, calm[1])]
    assert fronts[0].equals(fronts[1])


def test_more_trials_go_on_with_the_search_and_keep_the_replicates(tmp_path: Path) -> None:
    run(tmp_path, **{**BOTH, "trials": 16})
    before = facts(tmp_path)
    run(tmp_path, **{**BOTH, "trials": 28})
    after = facts(tmp_path)
    assert after[: len(before)] == before
    assert len(after) == 28
    assert sum(row["purpose"] == "confirmation" for row in after) == 7
    spent = "the search has spent its 21 trainings, and 7 more to retrain its best candidates"
    assert message(tmp_path) == spent
    assert "resuming" in run(tmp_path, **{**BOTH, "trials": 28})
    assert facts(tmp_path) == after


def test_a_solver_of_one_objective_is_refused_with_the_able_ones_named(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=r"--solver local handles one objective, not 2; give one of .*nomad"):
        run(tmp_path, **BOTH, solver="local")


def message(folder: Path) -> str:
    with Store(folder / "results.db", read_only=True) as store:
        [study] = store.studies()
    return study.message or ""


def facts(folder: Path) -> list[dict[str, Any]]:
    others = [row.other_objectives for row in trials(folder)]
    return [{**row, "others": other} for row, other in zip(record(folder), others, strict=True)]

"""Searches for accuracy alone: the best few are trained again, and what is named is known by that."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.search.budget import plan_rounds
from orchestrator.service.queries import RecordQueries
from orchestrator.spec.command_options import BadOption
from orchestrator.trainer_client import Stopped
from results import queries
from results.db.store import Store
from results.db.tables import Model, Trial
from tests.orchestrator._studies import record, run, trials
from tests.orchestrator.search.test_loop import stopping_at

ACCURATE: dict[str, Any] = {"kind": "hpo", "trials": 32, "solver": "random", "data": "fake:noise=.02"}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search whose trainings are mostly noise, to be read only."""
    folder = tmp_path_factory.mktemp("searched")
    run(folder, **ACCURATE)
    return folder


def model(folder: Path) -> Model:
    with Store(folder / "results.db") as store:
        (found,) = store.models()
    return found


def trained_again(rows: list[Trial]) -> dict[int, list[float]]:
    """The accuracies of each network's trainings again, by its trial's number."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if row.purpose == "confirmation":
            found.setdefault(row.of_trial_number or 0, []).append(row.val_accuracy or 0.0)
    return found


@given(st.integers(0, 300), st.integers(1, 20))
def test_rounds_spend_what_is_kept_and_end_with_the_start_and_one_rival(kept: int, most: int) -> None:
    sizes = plan_rounds(kept, most)
    assert sum(sizes) <= kept
    assert len(sizes) <= most
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes, default=2) >= 2
    if len(sizes) < most:
        assert kept - sum(sizes) <= 1


def test_leaders_are_trained_again_beside_the_start_by_halves(searched: Path) -> None:
    rows = trials(searched)
    again = trained_again(rows)
    searching = [row for row in rows if row.purpose == "search" and row.state == "completed"]
    best = sorted(searching[1:], key=lambda row: (-(row.val_accuracy or 0), row.number))
    assert plan_rounds(8, 6) == [3, 2, 2]
    assert sorted(again) == sorted([1, best[0].number, best[1].number])
    assert sorted(map(len, again.values())) == [1, 3, 3]
    assert len(again[1]) == 3
    dropped = next(accuracies for accuracies in again.values() if len(accuracies) == 1)
    kept = next(known for number, known in again.items() if number != 1 and len(known) == 3)
    assert dropped[0] <= kept[0]
    assert Counter(row.purpose for row in rows if row.state not in ("screened", "duplicate")) == {
        "search": 25,
        "confirmation": 7,
    }


def test_the_service_tells_of_the_same_best_as_plain_sql(searched: Path) -> None:
    (named,) = queries.best(searched / "results.db", "s").to_dict("records")
    record = RecordQueries(str(searched / "results.db"))
    told = record.study("s")
    record.close()
    assert told is not None
    assert told["front"] == []
    assert told["best"]["trainings"] == 3
    for name in ("trial", "mean_accuracy", "trainings"):
        assert told["best"][name] == named[name]


def test_what_is_named_is_known_by_trainings_it_was_not_picked_by(searched: Path) -> None:
    again = trained_again(trials(searched))
    found = model(searched)
    finalists = {number: fmean(known) for number, known in again.items() if len(known) == 3}
    winner = max(finalists, key=lambda number: finalists[number])
    best = queries.best(searched / "results.db", "s").to_dict("records")[0]
    assert (best["trial"], best["trainings"]) == (winner, 3)
    assert found.val_accuracy == pytest.approx(finalists[winner]) == best["mean_accuracy"]
    assert found.trainings == 3
    assert (found.accuracy_low or 1) < best["mean_accuracy"] < (found.accuracy_high or 0)
    with closing(sqlite3.connect(searched / "results.db")) as database:
        assert database.execute("SELECT trial, confirmations FROM best_trials").fetchall() == [(winner, 3)]


def test_a_gain_that_is_no_luck_is_confirmed_and_told(tmp_path: Path) -> None:
    clear: dict[str, Any] = {
        "kind": "nas",
        "maximise": "accuracy",
        "base_width": 0.25,
        "data": "fake:noise=.002",
    }
    printed = run(tmp_path, **clear, trials=32, solver="random")
    found = model(tmp_path)
    assert found.status == "confirmed"
    assert (found.probability or 0) > 0.983
    assert "more accurate than the start with probability" in printed


def test_a_start_that_is_best_is_named_and_said_to_be(tmp_path: Path) -> None:
    printed = run(tmp_path, **ACCURATE | {"data": "fake:noise=0", "trials": 16})
    rows, found = trials(tmp_path), model(tmp_path)
    assert max(rows, key=lambda row: row.val_accuracy or 0) == rows[0], "so it is the fake trainer's best"
    assert (found.trial_id, found.status, found.trainings) == (rows[0].id, "confirmed", 2)
    assert "no candidate was better when it was retrained" in printed


def test_a_stopped_search_for_accuracy_resumes_to_the_same_record(tmp_path: Path) -> None:
    run(tmp_path / "calm", **ACCURATE)
    stopped = tmp_path / "stopped"
    for begun in (3, 27, 29):
        with pytest.raises(Stopped):
            run(stopped, stopping_at(stopped / "s", begun), **ACCURATE)
    run(stopped, **ACCURATE)
    assert record(stopped) == record(tmp_path / "calm")


def test_more_trials_go_on_and_keep_what_was_trained_again(tmp_path: Path) -> None:
    run(tmp_path, **ACCURATE | {"trials": 12})
    before = trained_again(trials(tmp_path))
    run(tmp_path, **ACCURATE)
    rows = trials(tmp_path)
    assert len([row for row in rows if row.state not in ("screened", "duplicate")]) <= 32
    assert all(trained_again(rows)[number][: len(known)] == known for number, known in before.items())


def test_without_confirmations_the_best_training_is_named_provisionally(tmp_path: Path) -> None:
    run(tmp_path, **ACCURATE, confirm=0)
    found = model(tmp_path)
    assert (found.status, found.trainings, found.accuracy_low) == ("provisional", 1, None)
    assert {row.purpose for row in trials(tmp_path)} == {"search"}


def test_options_of_a_baseline_stay_refused_in_a_search_for_accuracy(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="tolerance"):
        run(tmp_path, **ACCURATE, tolerance=0.01)

"""Searches whose solver plans replicates by its model of accuracy."""

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from results import export, queries
from results.analysis.networks import networks
from results.analysis.posterior import VerdictSettings
from results.cli.show import trial_facts, trial_words
from results.db.store import Store
from results.db.tables import Trial
from tests.orchestrator._studies import run, trials

SEARCH: dict[str, Any] = {"solver": "nomad", "trials": 24, "confirm": 4, "replicates": 3, "tolerance": 0.01}
MODEL = "nomad_senet18"


def searched(folder: Path, **given: Any) -> list[Trial]:
    run(folder, **SEARCH | given)
    return trials(folder)


def repeats(rows: list[Trial], of: int | None) -> list[Trial]:
    return [row for row in rows if (row.purpose, row.of_trial_number) == ("confirmation", of)]


def test_the_network_named_is_the_smallest_confirmed_and_was_trained_again(tmp_path: Path) -> None:
    rows = searched(tmp_path)
    confirmed = [row for row in rows if row.verdict == "confirmed"]
    winner = min(confirmed, key=lambda row: row.macs or 0)
    with Store(tmp_path / "results.db") as store:
        model, study = store.model(MODEL), store.study("s")
    assert model is not None
    assert study is not None
    assert (model.status, model.macs, model.probability) == ("confirmed", winner.macs, winner.probability)
    assert (winner.probability or 0) >= 0.95
    assert winner.difference_low < winner.difference < winner.difference_high  # type: ignore[operator]
    assert repeats(rows, winner.number)
    assert winner.macs < 0.7 * (rows[0].macs or 0)  # type: ignore[operator]
    assert study.question["confirmation"] == {"most": 4, "level": 0.95, "version": 3}


def test_no_training_is_spent_on_what_is_not_smaller(tmp_path: Path) -> None:
    rows = searched(tmp_path)
    assert {row.state for row in rows} == {"completed"}
    assert len(rows) == SEARCH["trials"]
    assert all((row.macs or 0) < (rows[0].macs or 0) for row in rows if row.purpose == "search")


def test_each_trial_that_the_model_chose_says_why(tmp_path: Path) -> None:
    rows = searched(tmp_path)
    told = {row.number: row.belief for row in rows if row.belief}
    assert {"new", "replicate"} <= {belief["kind"] for belief in told.values()}
    again = next(number for number, belief in told.items() if belief["kind"] == "replicate")
    study: dict[str, Any] = export.records(queries.studies(tmp_path / "results.db", "s"))[0]
    facts = trial_facts(str(tmp_path / "results.db"), "s", again)
    assert facts["belief"] == told[again]
    assert "the same network again" in _text(trial_words(facts, study))


def _text(shown: Any) -> str:
    from rich.console import Console

    console = Console(width=300)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def test_the_report_has_the_difference_that_the_verdict_follows_from(tmp_path: Path) -> None:
    rows = searched(tmp_path)
    with Store(tmp_path / "results.db") as store:
        study = store.study("s")
    assert study is not None
    settings = VerdictSettings.read(study.question)
    found = networks(queries.trials(tmp_path / "results.db", "s"), study.min_accuracy or 0, settings)
    for network in found:
        row = rows[network.trial - 1]
        if row.difference is not None:
            assert network.difference is not None
            assert network.lead == network.difference.mean == row.difference
            # the interval of a mixture says a little less than the mixture
            assert network.probability(study.min_accuracy or 0, 0.01) == pytest.approx(
                row.probability, abs=0.03
            )


def test_a_required_accuracy_of_the_users_own_is_compared_with_no_base(tmp_path: Path) -> None:
    run(tmp_path, solver="nomad", trials=24, confirm=4, min_accuracy=0.85)
    rows = trials(tmp_path)
    assert {row.purpose for row in rows} == {"search", "confirmation"}
    confirmed = [row for row in rows if row.verdict == "confirmed"]
    assert confirmed
    assert all(row.difference is None and (row.probability or 0) >= 0.95 for row in confirmed)


def test_a_network_of_which_a_repeat_failed_is_rejected(tmp_path: Path) -> None:
    rows = searched(tmp_path, data="fake:crash=0.25", trials=40)
    failed = {row.of_trial_number for row in rows if row.purpose == "confirmation" and row.state == "failed"}
    assert failed - {None}, "the data set's seed makes a repeat fail"
    judged = {row.number: row for row in rows}
    for number in filter(None, failed):
        assert (judged[number].verdict, judged[number].probability) == ("rejected", 0.0)
        assert repeats(rows, number)[-1].state == "failed", "it is not trained again after that"


def test_a_warm_start_learns_from_the_earlier_studys_trainings(tmp_path: Path) -> None:
    searched(tmp_path)
    run(tmp_path, **SEARCH | {"study": "again", "warm_start": "s", "budget": "20steps"})
    again = trials(tmp_path, "again")
    with Store(tmp_path / "results.db") as store:
        study = store.study("again")
    assert study is not None
    assert len(study.question["warm_start"]["trainings"]) > 10
    assert any(row.verdict == "confirmed" for row in again)
    run(tmp_path, **SEARCH | {"study": "again", "warm_start": "s", "budget": "20steps", "trials": 30})
    assert [row.point for row in trials(tmp_path, "again")][: len(again)] == [row.point for row in again]


def test_limits_on_size_hold(tmp_path: Path) -> None:
    rows = searched(tmp_path, max_params="1.5M")
    confirmed = [row for row in rows if row.verdict == "confirmed"]
    assert confirmed
    assert all((row.parameters or 0) <= 1.5e6 for row in confirmed)


def test_a_larger_budget_goes_on_where_the_search_ended(tmp_path: Path) -> None:
    searched(tmp_path / "twice", trials=12)
    twice, once = searched(tmp_path / "twice"), searched(tmp_path / "once")
    compared = ("number", "purpose", "point", "replicate", "val_accuracy", "verdict")
    assert [[getattr(row, name) for name in compared] for row in twice] == [
        [getattr(row, name) for name in compared] for row in once
    ]


def test_verdicts_follow_from_later_trainings_too(tmp_path: Path) -> None:
    """Each event of a verdict is a change, and the last one is the row's."""
    searched(tmp_path, trials=40)
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection:
        events = connection.execute(
            "SELECT trial_id, substr(kind, 11) FROM events WHERE kind LIKE 'candidate_%' ORDER BY id"
        ).fetchall()
        rows = dict(connection.execute("SELECT id, verdict FROM trials WHERE verdict IS NOT NULL"))
    last = dict(events)
    assert last == rows
    changes = [one for one, other in itertools.pairwise(events) if one == other]
    assert changes == []


def test_where_only_the_users_accuracy_is_required_there_is_no_saving_before_a_network_is_named(
    tmp_path: Path,
) -> None:
    run(tmp_path, solver="nomad", trials=12, confirm=4, min_accuracy=0.85, until_saving="1%")
    rows = trials(tmp_path)
    assert len(rows) == 12
    told = [row.belief["expected_saving"] for row in rows if row.belief and "expected_saving" in row.belief]
    assert told[0] is None
    assert told[-1] > 0.01


def test_a_start_and_its_star_over_a_limit_do_not_end_a_search(tmp_path: Path) -> None:
    run(tmp_path, solver="nomad", trials=10, confirm=4, min_accuracy=0.85, max_params="1.5M")
    rows = trials(tmp_path)
    assert {row.state for row in rows[:5]} == {"screened"}
    assert {row.state for row in rows[5:]} == {"completed"}
    assert len(rows) == 15


def test_a_start_over_a_limit_is_not_chosen_again(tmp_path: Path) -> None:
    """It is the likeliest network to reach an accuracy that the networks within the limit do not."""
    given: dict[str, Any] = {"depth": ".9:1", "width": ".25:1", "resolution": ".9:1", "max_params": "2.5M"}
    run(tmp_path, solver="nomad", trials=8, confirm=1, min_accuracy=0.93, **given)
    assert sum(row.state == "completed" for row in trials(tmp_path)) == 8


def test_the_best_network_is_shown_when_it_changes(tmp_path: Path) -> None:
    shown = [line for line in run(tmp_path, **SEARCH).splitlines() if line.startswith("best so far (conf")]
    assert shown
    assert all(one != other for one, other in itertools.pairwise(shown))


def test_a_base_over_a_limit_need_not_be_beaten(tmp_path: Path) -> None:
    ranges = {"depth": "1:1.5", "width": "1:1.25", "resolution": ".5:1"}
    rows = searched(tmp_path, minimise="params", max_macs="500M", **ranges)
    confirmed = [row for row in rows if row.verdict == "confirmed"]
    assert min(row.parameters or 0 for row in confirmed) >= (rows[0].parameters or 0)
    assert all((row.macs or 0) <= 500e6 for row in confirmed)

"""Searches whose solver plans replicates by its model of accuracy."""

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from results import queries
from results.analysis.networks import networks
from results.analysis.posterior import VerdictSettings
from results.cli.show import trial_words
from results.db.store import Store
from results.db.tables import Trial
from tests.orchestrator._studies import run, trials

SEARCH: dict[str, Any] = {"solver": "nomad", "trials": 24, "confirm": 4, "replicates": 3, "tolerance": 0.01}
MODEL = "nomad_senet18"


def searched(folder: Path, **given: Any) -> list[Trial]:
    run(folder, **SEARCH | given)
    return trials(folder)


def repeats(rows: list[Trial], of: int) -> list[Trial]:
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
    study = queries.studies(tmp_path / "results.db", "s").to_dict("records")[0]
    facts = {**queries.trials(tmp_path / "results.db", "s").to_dict("records")[again - 1], "study": "s"}
    assert facts["belief"] == told[again]
    assert "the same network again" in _text(trial_words({**facts, "measurements": []}, study))


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
    for number in failed - {None}:
        assert (judged[number].verdict, judged[number].probability) == ("rejected", 0.0)
        assert repeats(rows, number)[-1].state == "failed", "it is not trained again after that"


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

"""Searches that measure latency: once a network, before its training, and never again after a resume."""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.trainer_client import Stopped, TrainerRefused
from results import queries
from tests.orchestrator._studies import record, run, trials
from tests.orchestrator.search.test_loop import stopping_at

CALM: dict[str, Any] = {"data": "fake:noise=0"}


def test_the_least_latency_is_sought_and_screened_against(tmp_path: Path) -> None:
    printed = run(tmp_path, minimise="latency", trials=20, **CALM)
    base, *rows = trials(tmp_path)
    assert base.latency_ms == pytest.approx(0.8 + (base.macs or 0) / 1e9)
    trained = [row for row in rows if row.state == "completed" and row.purpose == "search"]
    assert all(row.objective == row.latency_ms for row in trained)
    screened = [row for row in rows if row.state == "screened"]
    assert screened
    assert all((row.latency_ms or 0) >= (base.latency_ms or 1) for row in screened)
    [best] = queries.best(tmp_path / "results.db").to_dict("records")
    assert best["latency_ms"] == min(
        row.latency_ms or 1 for row in trained if (row.constraints or [1])[0] <= 0
    )
    assert queries.models(tmp_path / "results.db")["latency_ms"].tolist() == [best["latency_ms"]]
    assert "not smaller than the base: " in printed
    assert "goal: lowest latency" in printed


def test_a_network_slower_than_the_limit_is_not_trained(tmp_path: Path) -> None:
    run(tmp_path, maximise="accuracy", max_latency_ms=1.0, trials=6, **CALM)
    rows = trials(tmp_path)
    assert {row.state for row in rows if (row.latency_ms or 0) > 1.0} == {"screened"}
    assert {row.state for row in rows if (row.latency_ms or 2) <= 1.0} <= {"completed", "duplicate"}


def test_latency_is_not_measured_unless_it_is_asked_for(tmp_path: Path) -> None:
    run(tmp_path, trials=4)
    assert {row.latency_ms for row in trials(tmp_path)} == {None}
    assert not (tmp_path / "s" / "latency").exists()


def test_what_the_record_says_of_a_latency_is_not_measured_again(tmp_path: Path) -> None:
    run(tmp_path, minimise="latency", trials=6, **CALM)
    with closing(sqlite3.connect(tmp_path / "results.db")) as database, database:
        database.execute(
            "UPDATE trials SET latency_ms = 1.001 * latency_ms"
        )  # as another moment would measure
    before = trials(tmp_path)
    run(tmp_path, minimise="latency", trials=10, **CALM)
    after = trials(tmp_path)
    assert [row.latency_ms for row in after[: len(before)]] == [row.latency_ms for row in before]
    measured = [json.loads(path.read_text()) for path in (tmp_path / "s" / "latency").glob("*.json")]
    assert before[0].config not in measured


@pytest.mark.slow
def test_a_search_for_latency_resumes_to_the_same_record(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"minimise": "latency", "trials": 10, "block": 2, "solver": "nomad", "confirm": 3}
    run(tmp_path / "calm", **asked)
    with pytest.raises(Stopped):
        run(tmp_path / "stopped", stopping_at(tmp_path / "stopped" / "s", 5), **asked)
    run(tmp_path / "stopped", **asked)
    assert record(tmp_path / "stopped") == record(tmp_path / "calm")
    times = [[row.latency_ms for row in trials(tmp_path / name)] for name in ("calm", "stopped")]
    assert times[0] == times[1]


def test_a_trainer_that_measures_no_latency_is_named_with_what_to_leave_out(tmp_path: Path) -> None:
    fake = Path(__file__).parents[2] / "fake_trainer.py"
    older = tmp_path / "older_trainer.py"
    older.write_text(fake.read_text().replace('"--latency"', '"--lateness"'))
    with pytest.raises(TrainerRefused, match=r"could not measure the latency .*omit --minimise latency"):
        run(tmp_path, minimise="latency", trainer=f"{sys.executable} {older}")

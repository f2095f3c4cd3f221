"""The latencies of the base and of what was found, measured at a study's end. They never fail it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.study import latencies
from results import latency, queries
from results.db.store import Store
from tests.orchestrator._studies import run, trials

FAKE = Path(__file__).parents[2] / "fake_trainer.py"
CALM: dict[str, Any] = {"data": "fake:noise=0"}
ONE: dict[str, Any] = {"maximise": "accuracy", "trials": 1}  # it saves the start itself


@pytest.fixture(autouse=True)
def _enough_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latencies, "SHARE", 1e9)  # the trainings here take no time


def measured(folder: Path) -> list[dict[str, Any]]:
    return queries.plain_rows(queries.latencies(folder / "results.db", "s"))


def test_the_base_and_the_network_found_are_measured_side_by_side_once(tmp_path: Path) -> None:
    run(tmp_path, trials=8, **CALM)
    rows = measured(tmp_path)
    [model] = queries.plain_rows(queries.models(tmp_path / "results.db"))
    base = trials(tmp_path)[0]
    assert [(row["trial"], row["batch"]) for row in rows] == [
        *((None, 1), (None, 256), (model["trial"], 1), (model["trial"], 256))
    ]
    assert [row["milliseconds"] for row in rows[::2]] == pytest.approx(
        [(base.macs or 0) / 1e6, model["macs"] / 1e6]
    )
    assert {(row["milliseconds"], row["skipped"]) for row in rows[1::2]} == {
        (None, "one pass may take 99.0 s")
    }
    run(tmp_path, trials=9, **CALM)
    kinds = list(queries.events(tmp_path / "results.db", "s")["kind"])
    assert kinds.count(latency.EVENT) == 2 * len({m["trial"] for m in (model, *saved(tmp_path))})


def saved(folder: Path) -> list[dict[str, Any]]:
    return queries.plain_rows(queries.models(folder / "results.db"))


def test_a_model_card_gets_the_latencies_of_its_network(tmp_path: Path) -> None:
    run(tmp_path, **ONE)
    with Store(tmp_path / "results.db", read_only=True) as store:
        study = store.study("s")
        assert study is not None
        [model] = store.models()
        [row] = [row for row in store.trials(study.id) if row.id == model.trial_id]
        events = store.events(study.id)
    [entry] = latency.card_entries(events, row, study.question)
    assert entry == {
        "device": "fake, fp32, 1 thread",
        "batch": 1,
        "milliseconds": pytest.approx((row.macs or 0) / 1e6),
    }
    described = json.loads((Path(row.folder or "") / "model.json").read_text())
    assert described["provenance"]["latency"] == [entry]
    row.latency_ms = 12.5
    entries = latency.card_entries(events, row, study.question | {"latency_command": "ssh pi bench {onnx}"})
    assert entries[0] == {"device": "measured by a command", "batch": 1, "milliseconds": 12.5}


def test_a_study_whose_trainer_cannot_or_that_trained_too_little_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "older", trainer=changed(tmp_path, '"compares_latency": True', '"x": 1'), **ONE)
    assert measured(tmp_path / "older") == []
    monkeypatch.setattr(latencies, "SHARE", 1e-9)
    run(tmp_path / "short", **ONE)
    assert measured(tmp_path / "short") == []


@pytest.mark.parametrize(
    ("instead", "why"),
    [
        ("sys.exit('no torch')", "the trainer ended with exit code 1: no torch"),
        ("pass", "the trainer measured nothing"),
        ("time.sleep(600)", "the trainer did not end within 3 s"),
        ("print('{]\\n')", "is not JSON"),
        ("emit('latency', network=7, device='cpu', batch=1, skipped='')", "cannot be read: IndexError"),
        ("emit('latency', network=0, device='cpu', batch=1, milliseconds='9')", "cannot be read: TypeError"),
        ("emit('latency', network=0, device='cpu', batch=1, milliseconds=-9)", "cannot be read: ValueError"),
    ],
)
def test_a_measurement_that_fails_leaves_its_reason_and_a_finished_study(
    tmp_path: Path, instead: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latencies, "MOST_SECONDS", 1.0)
    monkeypatch.setattr(latencies, "_START_SECONDS", 2.0)
    trainer = changed(tmp_path, "compare_latency(words[1::2])", instead)
    run(tmp_path, trainer=trainer, executor="local", **ONE)
    rows = measured(tmp_path)
    assert len(rows) == 2
    assert all(why in row["skipped"] for row in rows)
    assert set(queries.studies(tmp_path / "results.db")["state"]) == {"finished"}


def test_a_measurement_does_not_wait_long_for_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latencies, "_WAIT_SECONDS", 0.0)
    run(
        tmp_path,
        trials=8,
        trainer=changed(tmp_path, "compare_latency(words[1::2])", "time.sleep(600)"),
        **CALM,
    )
    assert {row["skipped"] for row in measured(tmp_path)} == {"no worker was free within 0 s"}


def changed(folder: Path, old: str, new: str) -> str:
    """The command of a fake trainer with another line."""
    text = FAKE.read_text()
    assert old in text
    (folder / "trainer.py").write_text(text.replace(old, new))
    return f"{sys.executable} {folder / 'trainer.py'}"

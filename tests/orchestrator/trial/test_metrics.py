import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.trial import metrics

FINAL = {"event": "final", "val_accuracy": 0.91, "val_loss": 0.4, "steps": 10}


def written(folder: Path, *events: dict[str, Any], tail: str = "") -> Path:
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events) + tail)
    return path


def test_a_line_cut_off_by_a_kill_is_ignored(tmp_path: Path) -> None:
    path = written(tmp_path, {"event": "epoch", "val_accuracy": 0.9}, tail='{"event": "epo')
    assert [event["val_accuracy"] for event in metrics.read(path).measurements] == [0.9]


def test_a_malformed_line_that_is_not_the_last_is_an_error_that_quotes_it(tmp_path: Path) -> None:
    path = written(tmp_path, tail='oops\n{"event": "final"}\n')
    with pytest.raises(metrics.MalformedMetrics, match=r"line 1 of .*'oops'"):
        metrics.read(path)


@pytest.mark.parametrize("accuracy", [math.nan, math.inf, -0.1, 1.5, None, "high"])
def test_an_accuracy_that_is_none_is_no_result(tmp_path: Path, accuracy: object) -> None:
    assert not metrics.read(written(tmp_path, FINAL | {"val_accuracy": accuracy})).is_complete()


def test_a_final_accuracy_in_the_unit_interval_is_a_result(tmp_path: Path) -> None:
    found = metrics.read(written(tmp_path, {"event": "unheard of"}, FINAL))
    assert found.is_complete()
    assert found.final_columns == {"val_accuracy": 0.91, "val_loss": 0.4, "steps": 10}


def test_a_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert metrics.read(tmp_path / "metrics.jsonl").events == ()
    assert metrics.latest_epoch(tmp_path / "metrics.jsonl") is None
    assert metrics.last_line(tmp_path / "log.txt") == ""


def test_the_latest_epoch_is_found_while_the_next_is_being_written(tmp_path: Path) -> None:
    path = written(tmp_path, *({"event": "epoch", "epoch": n} for n in range(500)), tail='{"event": "ep')
    assert metrics.latest_epoch(path) == {"event": "epoch", "epoch": 499}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_but_never_crash(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.jsonl"
        path.write_bytes(content)
        metrics.latest_epoch(path)
        metrics.last_line(path)
        try:
            found = metrics.read(path)
        except metrics.MalformedMetrics:
            return
        assert all(isinstance(event, dict) for event in found.events)
        assert not found.is_complete()


@given(st.integers(min_value=0, max_value=200))
def test_a_report_cut_off_anywhere_is_a_result_only_when_whole(cut: int) -> None:
    import tempfile

    whole = json.dumps({"event": "epoch", "val_accuracy": 0.5}) + "\n" + json.dumps(FINAL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.jsonl"
        path.write_text(whole[:cut])
        assert metrics.read(path).is_complete() == (cut >= len(whole))


@pytest.mark.parametrize(
    ("told", "read"),
    [(0.25, 0.25), (1, 1.0), (0, None), (1.5, None), (None, None), ("half", None), (True, None)],
)
def test_a_share_of_the_most_frequent_class_is_a_fraction_or_not_told(
    tmp_path: Path, told: object, read: float | None
) -> None:
    log = metrics.read(written(tmp_path, FINAL | {"val_most_frequent": told}))
    assert log.most_frequent == read

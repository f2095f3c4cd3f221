"""Latencies side by side: which networks, devices and batches are timed, and when they are skipped."""

import io
import json
from typing import Any

import pytest
import torch

from tests.trainer._saved import TINY
from tests.trainer.configs import trial
from trainer import config, latency
from trainer.report import Report


def compare(*changes: dict[str, Any], seconds: float = 60.0) -> list[dict[str, Any]]:
    """The events of a comparison in this process."""
    stream = io.StringIO()
    latency.compare([config.from_json(trial(**one)) for one in changes], Report(stream), seconds)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_network_is_timed_with_one_image_and_with_a_batch() -> None:
    events = compare(TINY, {**TINY, "ingredients": {"ensemble": {"members": 4}}})
    assert [(event["batch"], event["network"]) for event in events] == [(1, 0), (1, 1), (256, 0), (256, 1)]
    assert all(event["milliseconds"] > 0 and event["iqr_milliseconds"] >= 0 for event in events)
    assert all(1 <= event["passes"] <= latency.PASSES for event in events)
    assert {(event["device"], event["precision"], event["threads"]) for event in events} == {
        ("cpu", "fp32", torch.get_num_threads())
    }
    assert events[1]["milliseconds"] > events[0]["milliseconds"], "four networks take longer than one"
    assert events[3]["milliseconds"] > events[1]["milliseconds"], "of a whole batch"


def test_what_would_take_too_long_is_skipped_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "BATCHES", (1, 10**9))
    one, many = compare(TINY)
    assert one["milliseconds"] > 0
    assert "milliseconds" not in many
    assert many["skipped"].startswith("one pass may take ")
    assert many["skipped"].endswith(" s, which is more than is left of 60 s")
    assert {event["skipped"] for event in compare(TINY, seconds=0.0)} == {"the 0 s for all latencies were up"}


def test_a_network_that_cannot_be_timed_does_not_hinder_the_others() -> None:
    absent = {**TINY, "dataset": "npz:/no/such/file.npz"}
    events = compare(absent, TINY)
    assert [("skipped" in event, event["network"]) for event in events if event["batch"] == 1] == [
        (True, 0),
        (False, 1),
    ]
    assert "/no/such/file.npz" in events[0]["skipped"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_skipped_and_the_cpu_is_timed() -> None:
    events = compare({**TINY, "device": "cuda", "precision": "fp16"})
    assert [(event["device"], "skipped" in event) for event in events[:2]] == [("cpu", False), ("cuda", True)]
    assert "torch sees no GPU" in events[1]["skipped"]

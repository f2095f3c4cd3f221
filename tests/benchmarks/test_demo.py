"""The demo over seeds, with a trainer that trains nothing: lines, resumption, busy processes."""

import json
from pathlib import Path
from typing import Any

from tests.benchmarks._running import FAKE_TRAINER, ran

FAKED = ("nas-search", "--base", "senet18", "--data", "fake:", "--budget", "10steps", "--trials", "8")


def test_a_run_on_file_is_not_repeated_and_one_beside_busy_processes_is_compared(tmp_path: Path) -> None:
    out = tmp_path / "demo.jsonl"

    def run(seeds: str, *options: str) -> list[dict[str, Any]]:
        words = ("--seeds", seeds, "--out", str(out), *options, *FAKED, "--trainer", FAKE_TRAINER)
        code, printed = ran("demo", *words)
        assert code == 0, printed
        sums: list[dict[str, Any]] = json.loads(out.with_suffix(".json").read_text())["sums"]
        return sums

    run("0:1")
    first = out.read_text()
    run("0:2")
    assert out.read_text().startswith(first)
    quiet, busy = run("0:1", "--busy", "1")
    assert [json.loads(line)["seed"] for line in out.read_text().splitlines()] == [0, 1, 0]
    like = "records like the first of their seed"
    assert (quiet["runs"], quiet[like], busy["runs"], busy[like]) == (2, "0 of 0", 1, "1 of 1")
    assert busy["wall seconds"][0] > 0

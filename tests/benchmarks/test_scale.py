"""The benchmark of very many trials, with few."""

import json
from pathlib import Path

import pytest

from tests.benchmarks._running import ran


@pytest.mark.slow
def test_trials_in_flight_and_a_study_on_record_are_measured(tmp_path: Path) -> None:
    out = tmp_path / "scale.json"
    asked = ("--flights", "8", "--fewest", "16", "--recorded", "48", "--commands", "list")
    code, printed = ran("scale", *asked, "--out", str(out))
    assert code == 0, printed
    found = json.loads(out.read_text())
    [flight], [record] = found["in_flight"], found["on_record"]
    assert (flight["slots"], flight["completed"], flight["trials"]) == (8, 16, 16)
    assert flight["threads"] == 9, "a thread a trial in flight, and the one that writes the record"
    assert 0 < flight["cpu_ms_per_trial"] < 1000
    assert (record["recorded"], record["resume"]["trained"]) == (48, 8)
    assert record["list"]["cpu_seconds"] > 0
    assert found["git_commit"]

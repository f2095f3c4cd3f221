"""The benchmark of early stops, on a study of the fake trainer that stopped nothing."""

import json
from pathlib import Path

import pytest

from tests.benchmarks._running import ran
from tests.orchestrator._studies import run


@pytest.mark.slow
def test_the_rule_is_replayed_over_a_study_that_stopped_nothing(tmp_path: Path) -> None:
    run(tmp_path, base_width=0.15, base_resolution=0.75, early_stop=0.0, trials=16, seed=1)
    out = tmp_path / "out.json"
    code, said = ran("early_stop", str(tmp_path / "results.db"), "--levels", "0,.05", "--out", str(out))
    assert code == 0, said
    written = json.loads(out.read_text())
    off, on = written["rows"]
    assert (off["searched"], off["stopped"], off["saved"]) == (14, 0, 0)
    assert on["searched"] == 14
    assert on["stopped"] > on["false"] == 0
    assert 0 < on["saved"] < on["stopped"]
    assert str(tmp_path) not in out.read_text()

"""The benchmark of fronts: its shares are of the true front, and every able solver can be run."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from orchestrator import solvers
from tests.benchmarks._running import ROOT


@pytest.fixture(scope="module")
def fronts() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("fronts")
    sys.path.remove(str(ROOT / "benchmarks"))


def test_the_true_front_has_all_of_itself_and_a_part_of_it_less(fronts: ModuleType) -> None:
    truth = fronts.scaled(fronts.truth())
    assert fronts.share_of_truth(truth) == 1.0
    assert 0 < fronts.share_of_truth(truth[:1]) < fronts.share_of_truth(truth[::8]) < 1


def test_the_start_is_larger_than_all_of_the_front_and_adds_nothing(fronts: ModuleType) -> None:
    start = fronts.np.array([fronts.objectives(fronts.answer(fronts.MACRO.start))])
    assert start.tolist() == [[105_660_928, pytest.approx(100 - 93.13, abs=0.2)]]
    assert fronts.share_of_truth(fronts.scaled(start)) == 0


def test_solvers_of_one_objective_are_left_out(fronts: ModuleType) -> None:
    assert set(fronts.ABLE) == {name for name in solvers.names() if solvers.most_objectives(name) > 1}
    assert "local" not in fronts.ABLE


@pytest.mark.slow
def test_runs_are_added_to_a_file_and_reported(
    fronts: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs, numbers = tmp_path / "runs.jsonl", tmp_path / "numbers.json"
    for seeds in (1, 2):
        wanted = [
            fronts.Cell(s, 1, n) for n in range(1, seeds + 1) for s in ("random", fronts.OF_NOMAD_ALONE)
        ]
        fronts.make(runs, wanted)
    written = fronts.recorded(runs)
    assert [cell for cell, _ in written] == wanted
    assert all(run["trainings"] == fronts.BUDGET for _, run in written)
    assert all(run["share"]["25"] <= run["share"]["50"] <= run["share"]["100"] < 1 for _, run in written)
    monkeypatch.setattr(fronts, "REFERENCE", "random")
    fronts.report(written, numbers)
    assert "| random | 2 |" in capsys.readouterr().out
    [group] = json.loads(numbers.read_text())
    assert {row["solver"] for row in group["solvers"]} == {"random", "DMultiMads"}

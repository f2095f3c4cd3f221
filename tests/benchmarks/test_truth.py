"""The benchmark of named winners, on a table made here of networks that are as accurate as they are large."""

import itertools
import json
from pathlib import Path

import pytest

from tests.benchmarks._running import ran


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every network of the space: each layer costs its kind, and the sum of them is the accuracy."""
    cells = {}
    for kinds in itertools.product((0, 1, 2), repeat=8):
        accuracy = 80 + sum(kinds)
        trained = [accuracy - 0.1, accuracy, accuracy + 0.1]
        cells["".join(map(str, kinds))] = {"flops": 10 + sum(kinds), "test_acc": trained}
    path = tmp_path_factory.mktemp("table") / "table.json"
    path.write_text(json.dumps(cells))
    return path


@pytest.mark.slow
def test_searches_are_held_against_the_table_and_kept(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    asked = ("--table", str(table), "--bounds", ".915", "--seeds", "1", "--trials", "40", "--out", str(out))
    code, said = ran("truth", *asked)
    assert code == 0, said
    summary = json.loads(said)
    assert (summary["confirmed"], summary["true"], summary["macs_over_optimum"]) == (1, 1, 1.0)
    assert summary["trainings"] == 40
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(one["seed"], one["status"], one["min_accuracy"]) for one in found] == [(0, "confirmed", 0.915)]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1", "2"])
def test_a_measured_base_is_trained_again_by_the_new_rule_alone(table: Path, version: str) -> None:
    asked = (
        "--table",
        str(table),
        "--measured-base",
        "--tolerance",
        ".015",
        "--seeds",
        "1",
        "--trials",
        "40",
    )
    code, said = ran("truth", *asked, "--version", version)
    assert code == 0, said
    summary = json.loads(said)
    assert (summary["confirmed"], summary["true"], summary["worst_points"]) == (1, 1, pytest.approx(0.5))


@pytest.mark.slow
def test_the_formula_tells_both_rules_apart() -> None:
    shares = {}
    for version in ("1", "2"):
        code, said = ran("truth", "--formula", "--rho", "0", "--seeds", "150", "--version", version)
        assert code == 0, said
        shares[version] = json.loads(said)["share"]
    assert shares["1"] < 0.92 < shares["2"]


@pytest.mark.slow
def test_a_bound_that_no_network_keeps_is_refused(table: Path) -> None:
    code, said = ran("truth", "--table", str(table), "--bounds", ".99", "--seeds", "1", "--trials", "2")
    assert code != 0
    assert "no network has an accuracy of 0.99; give lower --bounds" in said

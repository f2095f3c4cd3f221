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
    assert "local at 91.50%: 1 of 1 named, 1 confirmed, 100.0% true, MACs/optimum median 1.000" in said
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["seed"] for one in found] == [0]
    assert all(one["trained"] + one["replicates"] == 40 for one in found)


@pytest.mark.slow
def test_a_bound_that_no_network_keeps_is_refused(table: Path) -> None:
    code, said = ran("truth", "--table", str(table), "--bounds", ".99", "--seeds", "1", "--trials", "2")
    assert code != 0
    assert "no network of the table has an accuracy of 0.99; give lower --bounds" in said

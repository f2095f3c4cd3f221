"""The benchmark of named winners, on a table made here of networks that are as accurate as they are large."""

import itertools
import json
from pathlib import Path

import pytest

from benchmarks import truth
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


def test_searches_are_held_against_the_table_and_kept(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    asked = ("--table", str(table), "--bounds", ".915", "--seeds", "2", "--trials", "60", "--out", str(out))
    code, said = ran("truth", *asked)
    assert code == 0, said
    assert "local at 91.50%: 2 of 2 named, 2 confirmed, 100.0% true, MACs/optimum median 1.000" in said
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["seed"] for one in found] == [0, 1]
    assert all(one["trained"] + one["replicates"] == 60 for one in found)


def test_a_bound_that_no_network_keeps_is_refused(table: Path) -> None:
    with pytest.raises(ValueError, match="give lower --bounds"):
        truth.judged(truth.read(table), 0.99, None, 0, [])


def test_a_named_network_below_the_bound_is_counted_as_untrue(table: Path) -> None:
    found = [
        truth.Found(0, "confirmed", True, 1.0, 50, 50),
        truth.Found(1, "confirmed", False, 0.9, 50, 50),
        truth.Found(2, "none", False, None, 50, 50),
    ]
    said = truth.summary(0.9, "local", found, 3.0)
    assert "2 of 3 named, 2 confirmed, 50.0% true, MACs/optimum median 1.000, upper quartile inf" in said

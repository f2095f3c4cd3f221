"""The grid of real trainings: what is trained, and that the table on file can be searched."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from search_spaces import scaling
from tests.benchmarks._running import ROOT


@pytest.fixture(scope="module")
def grid() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("real_grid")
    sys.path.remove(str(ROOT / "benchmarks"))


def test_the_grid_is_a_part_of_the_scaling_space_and_the_base_is_in_it(grid: ModuleType) -> None:
    whole = scaling.space((2, 2, 2, 2), (64, 128, 256, 512), 16, base=grid.BASE)
    points = {tuple(point.values()) for point in grid.space()}
    assert points < {tuple(point.values()) for point in whole}
    assert (1.0, 1.0, 1.0) in points


def test_the_base_is_trained_twelve_times_and_no_larger_network_at_all(grid: ModuleType) -> None:
    points = list(grid.space())
    base = scaling.start(grid.space())
    sizes = {point: {"macs": n} for n, point in enumerate(points)}
    jobs = list(grid._jobs(sizes))
    trained = [point for point, replicate in jobs if replicate == 0]
    assert len(jobs) == len(set(jobs)) == 4 * len(trained) + 8
    assert sorted(replicate for point, replicate in jobs if point == base) == list(range(12))
    assert set(trained) == {point for point in points if sizes[point]["macs"] <= sizes[base]["macs"]}
    assert [replicate for point, replicate in jobs[:3] if point == base] == [0, 4, 8]


@pytest.mark.slow
def test_lines_are_packed_into_a_table_that_a_search_reads(grid: ModuleType, tmp_path: Path) -> None:
    images: dict[str, Any] = {
        f"{part}_images": np.zeros((20, 16, 16, 3), np.uint8) for part in ("train", "test")
    }
    labels: dict[str, Any] = {f"{part}_labels": np.arange(20) % 10 for part in ("train", "test")}
    np.savez(tmp_path / "data.npz", **images, **labels)
    template = grid._template(f"npz:{tmp_path / 'data.npz'}")
    sizes = grid._describe_all(template)
    lines: list[dict[str, Any]] = [{"event": "setting", "cpu": "some"}]
    for point, replicate in grid._jobs(sizes):
        if replicate != 3:
            value = round(0.3 + 0.1 * sum(point.values()) / 3 + 0.001 * replicate, 4)
            curve = {"steps": [39, 200], "val_accuracies": [0.1, value]}
            place = {"multipliers": list(point.values()), "replicate": replicate}
            lines.append({"event": "training", **place, "val_accuracy": value, "curve": curve})
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    grid.pack(tmp_path / "lines.jsonl", tmp_path / "grid.npz", template)
    land = importlib.import_module("_landscapes").read_grid(tmp_path / "grid.npz")
    assert land.truth[land.base] == pytest.approx(0.401, abs=1e-6)  # of the replicates that all have
    assert land.macs[land.base] == 2_220_544
    assert land.optimum(land.truth[land.base] - 0.02) < land.macs[land.base]

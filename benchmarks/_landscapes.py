"""Networks whose true accuracy is known, and trainings of them that are noisy as real ones are.

`read_table` is NAS-Bench-Macro (Su et al. 2021): eight layers of three kinds, three trainings a network, one
of which is drawn for each training here. `make_law` is a random scaling law of depth, width and resolution.
"""

from __future__ import annotations

import functools
import json
import math
import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces import Choice, Point, Space, scaling

SD = 0.006  # of a training of a law's network, a fraction
TABLE_IMAGES = 10_000  # that the table's trainings are validated on
LAW_IMAGES = 4000  # validated on: at 90% their binomial standard deviation is .8 of a training's
_JITTER = 0.0015  # of a network's own true accuracy around the law

Train = Callable[[str, int, int], float]  # (network, replicate, seed of the search) -> accuracy


@dataclass(frozen=True)
class Landscape:
    """A space of networks by name. `truth`: their accuracies, fractions."""

    space: Space
    start: Point
    macs: Mapping[str, int]
    truth: Mapping[str, float]
    train: Train
    validation_images: int

    @property
    def base(self) -> str:
        return name_point(self.start)

    def optimum(self, bound: float) -> int | None:
        """Return the fewest MACs of a network with this accuracy; None if there is none."""
        return min((macs for name, macs in self.macs.items() if self.truth[name] >= bound), default=None)


def name_point(point: Mapping[str, Any]) -> str:
    """Return the name of a point's network: a digit for each layer, or its multipliers."""
    values = list(point.values())
    return "".join(map(str, values)) if all(isinstance(v, int) for v in values) else json.dumps(values)


@functools.cache
def read_table(path: Path) -> Landscape:
    """Return the networks of NAS-Bench-Macro. The base is the largest."""
    cells: dict[str, dict[str, Any]] = json.loads(path.read_text())
    layers = tuple(f"layer{n}" for n in range(1, 9))
    space = Space(tuple(Choice(name, (0, 1, 2), ordered=True) for name in layers))
    trained: dict[str, list[float]] = {
        name: [accuracy / 100 for accuracy in cell["test_acc"]] for name, cell in cells.items()
    }

    def train(name: str, replicate: int, seed: int) -> float:
        return random.Random(f"{seed} {name} {replicate}").choice(trained[name])

    return Landscape(
        space,
        space.point(dict.fromkeys(layers, 2)),
        {name: cell["flops"] for name, cell in cells.items()},
        {name: statistics.fmean(accuracies) for name, accuracies in trained.items()},
        train,
        TABLE_IMAGES,
    )


def make_law(seed: int, rho: float) -> Landscape:
    """Return the networks around a base whose accuracy saturates with its multipliers; a law for each seed.

    rho: fraction of a training's variance that all networks of one replicate share
    """
    rng = np.random.default_rng(seed)
    space, points, scale = _scaled_networks()
    losses = np.exp(rng.normal(np.log([0.02, 0.05, 0.05]), 0.5))
    rates = np.exp(rng.normal(np.log([1.0, 1.2, 1.2]), 0.35))
    accuracy = 0.93 - (losses * scale**-rates).sum(axis=1) + rng.normal(0, _JITTER, len(points))
    return _train_by_law(space, points, scale, accuracy, rho)


def make_varied_law(seed: int, rho: float) -> Landscape:
    """Return the same of laws that differ more: powers or exponentials, with an interaction and ripples."""
    rng = np.random.default_rng(9000 + seed)
    space, points, scale = _scaled_networks()
    losses = np.exp(rng.normal(np.log([0.03, 0.06, 0.06]), 0.5))
    rates = np.exp(rng.normal(np.log([1.0, 1.0, 1.2]), 0.35))
    by_power = rng.random() < 0.5
    parts = losses * (scale**-rates if by_power else np.exp(1.3 * rates * (1 - scale)))
    accuracy = 0.92 - parts.sum(axis=1) - 0.01 / np.sqrt(scale.prod(axis=1))
    ripples = np.cos(scale @ rng.normal(0, 2.0, (3, 40)) + rng.uniform(0, 2 * np.pi, 40)).sum(axis=1)
    accuracy += 0.003 * math.sqrt(2 / 40) * ripples + rng.normal(0, _JITTER, len(points))
    return _train_by_law(space, points, scale, accuracy, rho)


def _scaled_networks() -> tuple[Space, list[Point], NDArray[np.float64]]:
    """Return a space of 5,265 networks, its points, and their multipliers [points, 3]."""
    space = scaling.space((2, 2, 2, 2), (64, 128, 256, 512), 32)
    points = list(space)
    return space, points, np.array([[float(point[name]) for name in scaling.NAMES] for point in points])


def _train_by_law(
    space: Space,
    points: list[Point],
    scale: NDArray[np.float64],
    accuracy: NDArray[np.float64],
    rho: float,
) -> Landscape:
    cost = 1e8 * scale[:, 0] * scale[:, 1] ** 2 * scale[:, 2] ** 2
    names = [name_point(point) for point in points]
    truth: dict[str, float] = dict(zip(names, accuracy.tolist(), strict=True))

    def train(name: str, replicate: int, search: int) -> float:
        shared = random.Random(f"{search} {replicate}").gauss(0, math.sqrt(rho))
        own = random.Random(f"{search} {replicate} {name}").gauss(0, math.sqrt(1 - rho))
        return truth[name] + SD * (shared + own)

    macs = dict(zip(names, cost.round().astype(int).tolist(), strict=True))
    return Landscape(space, scaling.start(space), macs, truth, train, LAW_IMAGES)

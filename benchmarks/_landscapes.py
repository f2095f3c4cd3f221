"""Networks whose true accuracy is known, and trainings of them that are noisy as real ones are.

`read_table` and `read_macro` are NAS-Bench-Macro (Su et al. 2021): eight layers of three kinds, three
trainings a network, one of which is drawn for each training. `make_law` and `make_rippled_law` are random
scaling laws of depth, width and resolution. `read_grid` is the grid of real trainings of `real_grid.py`.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces import Choice, Point, Real, Space, scaling

TABLES = Path(__file__).with_name("data")
SD = 0.006  # of a training of a law's network, a fraction
TABLE_IMAGES = 10_000  # that the table's trainings are validated on
LAW_IMAGES = 4000  # validated on: at 90% their binomial standard deviation is .8 of a training's
GRID_IMAGES = 5000  # that the trainings of the real grid are validated on
_JITTER = 0.0015  # of a network's own true accuracy around the law
_RAISED = 1e-4  # fraction: a base network that is to be the most accurate is so by this at least
_RIPPLE, _WAVES = 0.003, 40  # standard deviation of a rippled law's waves, and how many there are

Train = Callable[[str, int, int], float]  # (network, replicate, seed of the search) -> accuracy


@dataclass(frozen=True)
class Landscape:
    """A space of networks by name.

    truth: their accuracies, fractions; folds: of which each replicate holds out one; 0: images are drawn
    """

    space: Space
    start: Point
    macs: Mapping[str, int]
    truth: Mapping[str, float]
    train: Train
    validation_images: int
    folds: int = 0

    @property
    def base(self) -> str:
        return name_point(self.start)

    def optimum(self, bound: float) -> int | None:
        """Return the fewest MACs of a network with this accuracy; None if there is none."""
        return min((macs for name, macs in self.macs.items() if self.truth[name] >= bound), default=None)

    def raise_base(self) -> Landscape:
        """Return these networks with a base that is more accurate than every network of fewer MACs."""
        smaller = [self.truth[name] for name, macs in self.macs.items() if macs < self.macs[self.base]]
        raised = max(self.truth[self.base], max(smaller) + _RAISED)

        def train(name: str, replicate: int, seed: int) -> float:
            more = raised - self.truth[name] if name == self.base else 0.0
            return self.train(name, replicate, seed) + more

        return replace(self, truth={**self.truth, self.base: raised}, train=train)


def name_point(point: Mapping[str, Any]) -> str:
    """Return the name of a point's network: a digit for each layer, or its multipliers."""
    values = list(point.values())
    return "".join(map(str, values)) if all(isinstance(v, int) for v in values) else json.dumps(values)


@functools.cache
def read_table(path: Path) -> Landscape:
    """Return the networks of NAS-Bench-Macro, from the JSON file of its authors. The base is the largest."""
    cells: dict[str, dict[str, Any]] = json.loads(path.read_text())
    trained = {name: [accuracy / 100 for accuracy in cell["test_acc"]] for name, cell in cells.items()}
    return _make_macro(trained, {name: cell["flops"] for name, cell in cells.items()})


@functools.cache
def read_macro() -> Landscape:
    """Return the networks of NAS-Bench-Macro, from the table of this repository."""
    with np.load(TABLES / "nas_bench_macro.npz") as table:
        accuracies, flops = table["accuracies"] / 10_000, table["flops"]
    names = ["".join(kinds) for kinds in itertools.product("012", repeat=8)]
    return _make_macro(
        dict(zip(names, accuracies.tolist(), strict=True)), dict(zip(names, flops.tolist(), strict=True))
    )


def _make_macro(trained: Mapping[str, list[float]], macs: Mapping[str, int]) -> Landscape:
    layers = tuple(f"layer{n}" for n in range(1, 9))
    space = Space(tuple(Choice(name, (0, 1, 2), ordered=True) for name in layers))

    def train(name: str, replicate: int, seed: int) -> float:
        return random.Random(f"{seed} {name} {replicate}").choice(trained[name])

    truth = {name: statistics.fmean(accuracies) for name, accuracies in trained.items()}
    return Landscape(space, space.point(dict.fromkeys(layers, 2)), macs, truth, train, TABLE_IMAGES)


@functools.cache
def read_grid(path: Path = TABLES / "real_grid.npz") -> Landscape:
    """Return the grid of real trainings. The true accuracy of a network is the mean of its replicates.

    Only the replicates that all networks have are counted for it, so that all means have the same images.
    Networks of more MACs than the base were not trained: a search skips them.
    Raises ValueError if fewer than two replicates have all networks.
    """
    with np.load(path) as table:
        multipliers, macs, accuracies = table["multipliers"], table["macs"], table["accuracies"].astype(float)
    axes = zip(scaling.NAMES, multipliers.T, strict=True)
    space = Space(tuple(_make_axis(name, sorted(set(axis.tolist()))) for name, axis in axes))
    names = [json.dumps(row) for row in multipliers.tolist()]
    grid = _Grid(accuracies, names.index(name_point(scaling.start(space))))
    if len(grid.common) < 2:
        raise ValueError(f"{path} has {len(grid.common)} replicates of all networks; give two or more")
    rows = dict(zip(names, range(len(names)), strict=True))

    def train(name: str, replicate: int, seed: int) -> float:
        if not grid.is_trained[rows[name]]:
            raise ValueError(f"the network {name} has more MACs than the base and was not trained; skip it")
        return grid.train(rows[name], replicate, seed)

    truth: dict[str, float] = dict(zip(names, grid.means.tolist(), strict=True))
    return Landscape(
        space, scaling.start(space), dict(zip(names, macs.tolist(), strict=True)), truth, train, GRID_IMAGES
    )


class _Grid:
    """Real trainings. accuracies: [networks, replicates], NaN where there is none."""

    def __init__(self, accuracies: NDArray[np.float64], base: int) -> None:
        self.is_trained = ~np.isnan(accuracies[:, 0])
        trained = accuracies[self.is_trained]
        self.common: list[int] = np.flatnonzero(~np.isnan(trained).any(axis=0)).tolist()
        self.means = accuracies[:, self.common].mean(axis=1)
        of_base: list[int] = np.flatnonzero(~np.isnan(accuracies[base])).tolist()
        self._of_base_alone = [one for one in of_base if one not in self.common]
        self._accuracies, self._base = accuracies, base

    @functools.cached_property
    def _variances(self) -> tuple[float, float]:
        noise = self._accuracies[:, self.common] - self.means[:, None]
        return _estimate_variances(noise[self.is_trained])

    def train(self, network: int, replicate: int, seed: int) -> float:
        """Return the accuracy of a search's replicate, which is a real training where there is one.

        The search's seed draws the order in which the real replicates are its own: first those that all
        networks have, then those of the base alone. For another network's replicate beyond the common ones
        its mean is taken, plus the replicate's effect given the base's training, plus noise of its own, with
        the variances that the table has.
        """
        order = random.Random(f"{seed}").sample(self.common, len(self.common))
        order += random.Random(f"{seed} alone").sample(self._of_base_alone, len(self._of_base_alone))
        if replicate < (len(order) if network == self._base else len(self.common)):
            return float(self._accuracies[network, order[replicate]])
        shared, own = self._variances
        known = replicate < len(order)  # of the base
        fraction = shared / (shared + own) if known else 0.0  # of the base's deviation that is the effect
        base = self._base
        deviation = float(self._accuracies[base, order[replicate]] - self.means[base]) if known else 0.0
        spread = math.sqrt(shared * (1 - fraction))
        effect = random.Random(f"{seed} {replicate}").gauss(fraction * deviation, spread)
        alone = random.Random(f"{seed} {replicate} {network}").gauss(0, math.sqrt(own))
        return float(self.means[network]) + effect + alone


def _make_axis(name: str, values: list[float]) -> Real:
    return Real(name, values[0], values[-1], granularity=values[1] - values[0])


def _estimate_variances(noise: NDArray[np.float64]) -> tuple[float, float]:
    """Return the variances of a replicate's effect and of a training's own noise, by analysis of variance.

    noise: accuracies less their network's mean [networks, replicates]
    """
    networks, replicates = noise.shape
    effects = noise.mean(axis=0)
    own = float(((noise - effects) ** 2).sum() / ((networks - 1) * (replicates - 1)))
    return max(0.0, float(effects.var(ddof=1)) - own / networks), own


def make_law(seed: int, rho: float, folds: int = 0) -> Landscape:
    """Return the networks around a base whose accuracy saturates with its multipliers; a law for each seed.

    rho: fraction of a training's variance that all networks of one replicate share
    folds: a fraction 1 / folds of a network's own variance is common to all its trainings, which share images
        (Nadeau and Bengio 2003); 0: none is
    """
    rng = np.random.default_rng(seed)
    space, scale = _law_space()
    losses = np.exp(rng.normal(np.log([0.02, 0.05, 0.05]), 0.5))
    rates = np.exp(rng.normal(np.log([1.0, 1.2, 1.2]), 0.35))
    accuracy = 0.93 - (losses * scale**-rates).sum(axis=1) + rng.normal(0, _JITTER, len(scale))
    return _make_law(space, scale, accuracy, rho, folds)


def make_rippled_law(seed: int, rho: float) -> Landscape:
    """Return the networks of a law with ripples; a law for each seed, none of them one of `make_law`.

    Half of the laws saturate as powers of the multipliers, half exponentially. The three multipliers also act
    together. Forty random cosines (standard deviation .3 point) bend the surface.

    rho: fraction of a training's variance that all networks of one replicate share
    """
    rng = np.random.default_rng([seed, 1])
    space, scale = _law_space()
    losses = np.exp(rng.normal(np.log([0.03, 0.06, 0.06]), 0.5))
    rates = np.exp(rng.normal(np.log([1.0, 1.0, 1.2]), 0.35))
    is_power = rng.random() < 0.5
    saturation = scale**-rates if is_power else np.exp(1.3 * rates * (1 - scale))
    waves, phases = rng.normal(0, 2.0, (3, _WAVES)), rng.uniform(0, 2 * math.pi, _WAVES)
    ripples = _RIPPLE * math.sqrt(2 / _WAVES) * np.cos(scale @ waves + phases).sum(axis=1)
    together = 0.01 * scale.prod(axis=1) ** -0.5
    jitter = rng.normal(0, _JITTER, len(scale))
    return _make_law(
        space, scale, 0.92 - (losses * saturation).sum(axis=1) - together + ripples + jitter, rho
    )


@functools.cache
def _law_space() -> tuple[Space, NDArray[np.float64]]:
    """Return the space of a law, and the multipliers of its points [points, 3]."""
    space = scaling.space((2, 2, 2, 2), (64, 128, 256, 512), 32)
    return space, np.array([[float(point[name]) for name in scaling.NAMES] for point in space])


def _make_law(
    space: Space, scale: NDArray[np.float64], accuracy: NDArray[np.float64], rho: float, folds: int = 0
) -> Landscape:
    """Return the networks of a law. scale: [points, 3]; accuracy: [points], fractions."""
    cost = 1e8 * scale[:, 0] * scale[:, 1] ** 2 * scale[:, 2] ** 2
    names = [name_point(dict(zip(scaling.NAMES, row, strict=True))) for row in scale.tolist()]
    truth: dict[str, float] = dict(zip(names, accuracy.tolist(), strict=True))

    lasts = 1 / folds if folds else 0.0

    def train(name: str, replicate: int, search: int) -> float:
        shared = random.Random(f"{search} {replicate}").gauss(0, math.sqrt(rho))
        lasting = random.Random(f"{search} {name}").gauss(0, math.sqrt((1 - rho) * lasts))
        own = random.Random(f"{search} {replicate} {name}").gauss(0, math.sqrt((1 - rho) * (1 - lasts)))
        return truth[name] + SD * (shared + lasting + own)

    macs = dict(zip(names, cost.round().astype(int).tolist(), strict=True))
    return Landscape(space, scaling.start(space), macs, truth, train, LAW_IMAGES, folds)


@dataclass(frozen=True)
class Setting:
    """Searches of one kind: a landscape for each seed, and the options that say what accuracy is required."""

    make: Callable[[int], Landscape]
    given: Mapping[str, float]


SETTINGS = {
    "laws": Setting(lambda seed: make_rippled_law(seed, 0.0), {"tolerance": 0.005}),
    "laws-shared": Setting(lambda seed: make_rippled_law(seed, 0.4), {"tolerance": 0.005}),
    "macro-92": Setting(lambda seed: read_macro(), {"min_accuracy": 0.92}),
    "macro-92.5": Setting(lambda seed: read_macro(), {"min_accuracy": 0.925}),
    "real-grid": Setting(lambda seed: read_grid(), {"tolerance": 0.01}),
}

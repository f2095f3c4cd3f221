"""Problems whose answers are known without training, and their optima.

An objective that is free is known to the search before it evaluates, as MACs are; then `objective`
is asked for it. Noise is what the same training comes to with other seeds.
"""

import functools
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orchestrator.spec.problem import Evaluation
from search_spaces import Choice, Integer, Point, Real, Space, scaling

TABLES = Path(__file__).with_name("data")
Answer = Callable[[Point], Evaluation]


@dataclass(frozen=True)
class Benchmark:
    """A problem, its best objective, and what a noisy evaluation draws from."""

    name: str
    space: Space
    start: Point
    optimum: float
    truth: Answer
    is_free: bool  # whether the objective is known before evaluating
    constraints: int
    draw: Callable[[Point, random.Random], Evaluation] | None = None  # one noisy evaluation


def load(name: str) -> Benchmark:
    """The problem of this name, one of NAMES."""
    return MAKERS[name]()


def macro(least: float) -> Benchmark:
    """NAS-Bench-Macro: least FLOPs with an accuracy of `least` percent. 8 layers, each of 3 kinds."""
    accuracies, flops = _macro_table()
    space = Space(tuple(Integer(f"layer{layer}", 0, 2) for layer in range(8)))
    means = accuracies.mean(axis=1)
    optimum = float(flops[accuracies.sum(axis=1) >= round(300 * least)].min())

    def truth(point: Point) -> Evaluation:
        row = _row(point)
        return Evaluation(float(flops[row]), (least - round(float(means[row]), 6) / 100,))

    return Benchmark(
        f"macro-{least:g}",
        space,
        space.point(dict.fromkeys(space.names, 2)),
        optimum,
        truth,
        is_free=True,
        constraints=1,
    )


@functools.cache
def _macro_table() -> tuple[np.ndarray, np.ndarray]:
    """Accuracies [6561, 3] in hundredths of a percent, and FLOPs [6561]; a row is a code in base 3."""
    with np.load(TABLES / "nas_bench_macro.npz") as table:
        return table["accuracies"].astype(float), table["flops"]


def _row(point: Mapping[str, object]) -> int:
    return int("".join(str(value) for value in point.values()), 3)


def scaled_network() -> Benchmark:
    """Like the search around senet18: cost depth x width^2 x resolution^2, an accuracy that saturates."""
    space = scaling.space((2, 2, 2, 2), (64, 128, 256, 512), 32)

    def accuracy(depth: float, width: float, resolution: float) -> float:
        losses = (
            0.05 * math.exp(-1.2 * depth),
            0.12 * math.exp(-2.5 * width),
            0.1 * math.exp(-2.2 * resolution),
        )
        return 0.8 - sum(losses)

    def truth(point: Point) -> Evaluation:
        depth, width, resolution = (float(point[name]) for name in scaling.NAMES)
        missed = accuracy(1, 1, 1) - 0.0005 - accuracy(depth, width, resolution)
        return Evaluation(depth * width**2 * resolution**2, (missed,))

    optimum = min(answer.objective for answer in map(truth, space) if answer.feasible)
    return Benchmark("scaled-network", space, scaling.start(space), optimum, truth, True, 1)


def pressure_vessel() -> Benchmark:
    """Cost of a vessel with two thicknesses in sixteenths of an inch (Sandgren 1990); best known 6059.714."""
    space = Space(
        (
            Integer("shell", 1, 99),
            Integer("head", 1, 99),
            Real("radius", 10.0, 200.0),
            Real("length", 10.0, 200.0),
        )
    )

    def truth(point: Point) -> Evaluation:
        shell, head, radius, length = (float(value) for value in point.values())
        thick, cap = shell / 16, head / 16
        cost = (
            0.6224 * thick * radius * length
            + 1.7781 * cap * radius**2
            + 3.1661 * thick**2 * length
            + 19.84 * thick**2 * radius
        )
        volume = math.pi * radius**2 * length + 4 / 3 * math.pi * radius**3
        constraints = (0.0193 * radius - thick, 0.00954 * radius - cap, 1 - volume / 1_296_000)
        return Evaluation(cost, constraints)

    start = space.point({"shell": 50, "head": 50, "radius": 100.0, "length": 100.0})
    return Benchmark("pressure-vessel", space, start, 6059.714335, truth, False, 3)


def digits_hpo() -> Benchmark:
    """Least error of small networks on digits: two categories without order, a real and two ordered lists.

    Between the rates of the table the logarithm of the rate is interpolated.
    """
    with np.load(TABLES / "digits_hpo.npz") as table:
        errors = table["errors"].astype(float)  # [activation, optimizer, rate, decay, batch, seed]
    means, last = errors.mean(axis=-1), errors.shape[2] - 1
    space = Space(
        (
            Choice("activation", ("relu", "tanh", "logistic", "identity")),
            Choice("optimizer", ("sgd", "momentum", "nesterov", "adam")),
            Real("rate", 1e-4, 1.0, log=True),
            Choice("decay", (0.0, 1e-3, 1e-1, 3.0), ordered=True),
            Choice("batch", (16, 64, 256), ordered=True),
        )
    )

    def error(point: Point, of: np.ndarray) -> float:
        activation, optimizer, rate, decay, batch = space.to_numbers(point)
        place = (rate + 4) / 4 * last
        below = min(int(place), last - 1)
        row = of[int(activation), int(optimizer), :, int(decay), int(batch)]
        return float(row[below] + (place - below) * (row[below + 1] - row[below]))

    def draw(point: Point, rng: random.Random) -> Evaluation:
        return Evaluation(error(point, errors[..., rng.randrange(errors.shape[-1])]))

    start = space.point({"activation": "relu", "optimizer": "sgd", "rate": 0.01, "decay": 0.0, "batch": 64})
    return Benchmark(
        "digits-hpo",
        space,
        start,
        float(means.min()),
        lambda point: Evaluation(error(point, means)),
        False,
        0,
        draw,
    )


MAKERS: dict[str, Callable[[], Benchmark]] = {
    "macro-92": lambda: macro(92.0),
    "macro-92.5": lambda: macro(92.5),
    "scaled-network": scaled_network,
    "pressure-vessel": pressure_vessel,
    "digits-hpo": digits_hpo,
}
NAMES = tuple(MAKERS)

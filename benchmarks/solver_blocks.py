"""How well solvers fill blocks of evaluations, and what their settings change: nothing is trained.

The problem is shaped like the search around senet18: 5,265 networks, cost depth * width^2 *
resolution^2, an accuracy that saturates in each, and a bound on it just under the base's.

    python -m benchmarks.solver_blocks --seeds 10
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.problem import Evaluation, Problem
from orchestrator.solvers import SolverDied, SolverProcess
from search_spaces import Point, scaling

SPACE = scaling.space((2, 2, 2, 2), (64, 128, 256, 512), 32)
THINK_SECONDS = 20.0
DIRECTIONS, MODELS, MEGA = "DIRECTION_TYPE ORTHO 2N", "QUAD_MODEL_MAX_EVAL 100", "MEGA_SEARCH_POLL yes"
BOUNDED = "MAX_EVAL 5000"
NOMADS: dict[str, tuple[Sequence[str], Sequence[str]]] = {  # settings, and settings for blocks
    "nomad, NOMAD's defaults": ([BOUNDED], []),
    "nomad, default directions": ([BOUNDED, MODELS], [MEGA]),
    "nomad, no MEGA_SEARCH_POLL": ([BOUNDED, MODELS, DIRECTIONS], []),
    "nomad, no model search": ([BOUNDED, DIRECTIONS, "QUAD_MODEL_SEARCH no"], [MEGA]),
    "nomad, as shipped": ([BOUNDED, DIRECTIONS, MODELS], [MEGA]),
}


@dataclass(frozen=True)
class Run:
    """One search. Costs are multiples of the base network's."""

    blocks: list[int]  # the size of each
    best_at_50: float
    best: float
    solver_seconds: float  # its own computing, start-up included
    died: bool


def main(seeds: int, evaluations: int, block_sizes: Sequence[int]) -> None:
    print(f"{'solver':28} block  fill  blocks  cost@50  cost@{evaluations}  solver s  died  n={seeds}")
    for size in block_sizes:
        for label in (*NOMADS, "tpe", "random"):
            runs = [search(label, seed, size, evaluations) for seed in range(1, seeds + 1)]
            print(f"{label:28} {size:5}  {summary(runs, size)}", flush=True)


def search(label: str, seed: int, block_size: int, evaluations: int) -> Run:
    """Play one solver against the surrogate until it is done, dies or has had its evaluations."""
    problem = Problem(SPACE, scaling.start(SPACE), block_size, constraints=1, seed=seed)
    blocks: list[int] = []
    costs: list[float] = []
    seconds, died = 0.0, False
    with SolverProcess(label, problem, think_seconds=THINK_SECONDS, command=command(label)) as solver:
        while sum(blocks) < evaluations:
            began = time.monotonic()
            try:
                points = solver.ask()
            except SolverDied:
                points, died = None, True
            seconds += time.monotonic() - began
            if points is None:
                break
            answers = [evaluate(point) for point in points]
            blocks.append(len(points))
            costs += [answer.objective if answer.feasible else math.inf for answer in answers]
            solver.tell(answers)
    return Run(blocks, min(costs[:50]), min(costs[:evaluations]), seconds, died)


def command(label: str) -> list[str]:
    """The solver's process, with its settings replaced where the label is a variant of NOMAD."""
    name = label.partition(",")[0]
    changes = ""
    if label in NOMADS:
        settings, block_settings = map(tuple, NOMADS[label])
        changes = f"nomad.SETTINGS, nomad.BLOCK_SETTINGS = {settings}, {block_settings}"
    program = f"from orchestrator.solvers import __main__, nomad\n{changes}\n__main__.main({name!r})"
    return [sys.executable, "-c", program]


def evaluate(point: Point) -> Evaluation:
    """The cost of a network and by how much its accuracy misses the bound."""
    depth, width, resolution = (float(point[name]) for name in scaling.NAMES)
    missed = accuracy(1, 1, 1) - 0.0005 - accuracy(depth, width, resolution)
    return Evaluation(depth * width**2 * resolution**2, (missed,))


def accuracy(depth: float, width: float, resolution: float) -> float:
    losses = (0.05 * math.exp(-1.2 * depth), 0.12 * math.exp(-2.5 * width), 0.1 * math.exp(-2.2 * resolution))
    return 0.8 - sum(losses)


def summary(runs: Sequence[Run], block_size: int) -> str:
    fill = sum(sum(run.blocks) for run in runs) / sum(len(run.blocks) * block_size for run in runs)
    blocks = statistics.mean(len(run.blocks) for run in runs)
    middle, end = (statistics.mean(costs) for costs in ([r.best_at_50 for r in runs], [r.best for r in runs]))
    seconds = statistics.mean(run.solver_seconds for run in runs)
    died = sum(run.died for run in runs)
    return f"{fill:4.0%}  {blocks:6.1f}  {middle:7.3f}  {end:8.3f}  {seconds:8.1f}  {died:4}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--blocks", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    main(arguments.seeds, arguments.evaluations, arguments.blocks)

"""Which solver finds the front of two objectives with the fewest trainings: nothing is trained.

On NAS-Bench-Macro, all 6561 networks of which are known: fewest FLOPs and least error, without noise. A
front is judged by the area it dominates, as a share of what the true front does (its hypervolume); both
objectives are scaled to the true front's ranges, and the area reaches a tenth beyond them. Runs are
appended to a file of JSON lines, and those already there are not made again.

    python benchmarks/fronts.py --runs fronts.jsonl --seeds 20
    python benchmarks/fronts.py --runs fronts.jsonl --report benchmarks/results/fronts.json
"""

import argparse
import contextlib
import functools
import json
import multiprocessing
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import _problems
import numpy as np
import PyNomad
from _standing import quartiles, versus
from scipy.stats import binomtest

from orchestrator import solvers
from orchestrator.solvers._history import AnswerHistory
from orchestrator.solvers._surrogate import front_of
from orchestrator.spec.problem import Evaluate, Evaluation, Problem
from search_spaces import Point

BUDGET, AT = 100, (25, 50, 100)
BEYOND = 1.1  # the reference point, in both scaled objectives
REFERENCE = "nomad"
OF_NOMAD_ALONE = "DMultiMads"
MACRO = _problems.load("macro-92")  # whose constraint is 92 less the accuracy, in percent
ABLE = tuple(name for name in solvers.names() if solvers.most_objectives(name) > 1)


@dataclass(frozen=True)
class Cell:
    """What one run is of."""

    solver: str
    block: int
    seed: int


class Spent(Exception):
    """The budget has been spent, which ends a search."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, required=True, help="JSON lines, made or added to")
    parser.add_argument("--solvers", nargs="+", default=[*ABLE, OF_NOMAD_ALONE])
    parser.add_argument("--blocks", nargs="+", type=int, default=[1])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument(
        "--report", type=Path, metavar="NUMBERS", help="make no runs; print tables, write this"
    )
    given = parser.parse_args()
    if given.report:
        report(recorded(given.runs), given.report)
        return
    seeds = range(1, given.seeds + 1)
    make(given.runs, [Cell(s, block, n) for n in seeds for block in given.blocks for s in given.solvers])


def make(path: Path, wanted: Sequence[Cell]) -> None:
    """Make the runs that the file does not have yet, each in a process of its own, as NOMAD needs."""
    have = {cell for cell, _ in recorded(path)}
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool, path.open("a") as runs:
        for cell in wanted:
            if cell not in have:
                run = pool.apply(play, (cell,))
                runs.write(json.dumps(asdict(cell) | run) + "\n")
                runs.flush()


def recorded(path: Path) -> list[tuple[Cell, dict[str, Any]]]:
    """The runs of a file; none where there is no file yet."""
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return [(Cell(line["solver"], line["block"], line["seed"]), line) for line in lines]


def play(cell: Cell) -> dict[str, Any]:
    """One search: the share of the true hypervolume that it had after so many trainings."""
    warnings.simplefilter("ignore")  # Optuna's, of what it calls experimental
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    asked: dict[Point, Evaluation] = {}

    def evaluate(points: list[Point]) -> list[Evaluation]:
        new = [point for point in points if point not in asked][: BUDGET - len(asked)]
        asked.update((point, answer(point)) for point in new)
        if len(asked) == BUDGET:
            raise Spent
        return [asked[point] for point in points]

    problem = Problem(MACRO.space, MACRO.start, cell.block, seed=cell.seed, objectives=2)
    began = time.process_time()
    search = dmultimads if cell.solver == OF_NOMAD_ALONE else solvers.load(cell.solver).search
    with contextlib.suppress(Spent):
        search(problem, evaluate)
    reached = scaled(np.array([objectives(one) for one in asked.values()]))
    share = {str(at): share_of_truth(reached[:at]) for at in AT}
    return {"share": share, "trainings": len(asked), "seconds": time.process_time() - began}


def dmultimads(problem: Problem, evaluate: Evaluate) -> None:
    """NOMAD's own search for several objectives (Bigeon, Le Digabel and Salomon 2021), without a model."""
    answers = AnswerHistory(problem, evaluate)
    answers.ask([problem.start])
    numbers = problem.space.to_numbers(problem.start)
    error: list[Exception] = []

    def told(block: Any) -> list[int]:
        asked = [block.get_x(index) for index in range(block.size())]
        points = [
            problem.space.from_numbers([one.get_coord(k) for k in range(len(numbers))]) for one in asked
        ]
        try:
            answers.ask([] if error else points)
        except Spent as spent:
            error.append(spent)
        if error:
            return [0] * len(asked)
        for one, point in zip(asked, points, strict=True):
            one.setBBO(" ".join(map(repr, objectives(answers[point]))).encode())
        return [1] * len(asked)

    settings = ["BB_OUTPUT_TYPE OBJ OBJ", "DMULTIMADS_OPTIMIZATION yes", "DIRECTION_TYPE ORTHO 2N"]
    settings += ["QUAD_MODEL_SEARCH no", "NM_SEARCH no", "BB_MAX_BLOCK_SIZE 16", "MAX_EVAL 2000"]
    kinds = f"BB_INPUT_TYPE ({' '.join('I' * len(numbers))})"
    lower = [variable.lower for variable in problem.space.variables]
    upper = [variable.upper for variable in problem.space.variables]
    PyNomad.optimize(told, [*numbers], lower, upper, [kinds, f"SEED {problem.seed}", *settings])


def answer(point: Point) -> Evaluation:
    """FLOPs and error of a network."""
    known = MACRO.truth(point)
    return Evaluation(known.objective, others=(8.0 + known.constraints[0],))  # 100 less the accuracy


def objectives(one: Evaluation) -> tuple[float, ...]:
    return (one.objective, *one.others)


@functools.cache
def truth() -> np.ndarray:
    """The true front, [n, 2]."""
    return front_of(np.array([objectives(answer(point)) for point in MACRO.space]))


def scaled(values: np.ndarray) -> np.ndarray:
    """Values in the ranges of the true front."""
    low, high = truth().min(axis=0), truth().max(axis=0)
    return np.asarray((values - low) / (high - low))


def hypervolume(values: np.ndarray, reference: tuple[float, float]) -> float:
    """The area that rows [m, 2] dominate and that dominates the reference."""
    inside = front_of(values[(values < reference).all(axis=1)])
    widths = np.append(inside[1:, 0], reference[0]) - inside[:, 0]
    return float((widths * (reference[1] - inside[:, 1])).sum())


def share_of_truth(values: np.ndarray) -> float:
    """What share of the true hypervolume these scaled values have."""
    reference = (BEYOND, BEYOND)
    return hypervolume(values, reference) / hypervolume(scaled(truth()), reference)


def report(runs: Sequence[tuple[Cell, dict[str, Any]]], numbers: Path) -> None:
    """Print a table for each block size and write the numbers."""
    groups = []
    for block in sorted({cell.block for cell, _ in runs}):
        by_solver: dict[str, dict[int, dict[str, float]]] = {}
        for cell, run in runs:
            if cell.block == block:
                by_solver.setdefault(cell.solver, {})[cell.seed] = run["share"]
        rows = [row(solver, shares, by_solver[REFERENCE]) for solver, shares in by_solver.items()]
        rows.sort(key=lambda one: -one["share"]["50"]["median"])
        groups.append({"problem": "nas-bench-macro", "block": block, "solvers": rows})
        print(markdown(rows, block))
    numbers.write_text(json.dumps(groups, indent=1) + "\n")


def row(
    solver: str, shares: dict[int, dict[str, float]], reference: dict[int, dict[str, float]]
) -> dict[str, Any]:
    """One solver's quartiles, and how often the reference was better on the same seeds."""
    against = {}
    for at in map(str, AT):
        pairs = [(reference[seed][at], shares[seed][at]) for seed in shares if seed in reference]
        better, worse = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
        p = float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
        against[at] = {"better": better, "worse": worse, "p": p}
    share = {str(at): quartiles([one[str(at)] for one in shares.values()]) for at in AT}
    return {"solver": solver, "runs": len(shares), "share": share, "against_reference": against}


def markdown(rows: Sequence[dict[str, Any]], block: int) -> str:
    """One block size as a table for a reader."""
    lines = [
        f"\nblocks of {block}\n",
        f"| solver | runs | at 25 | at 50 | at 100 | {REFERENCE} better:worse at 50, at 100 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in rows:
        cells = ["{median:.1%} ({lower:.1%}-{upper:.1%})".format(**one["share"][str(at)]) for at in AT]
        against = ", ".join(versus(one["against_reference"][str(at)]) for at in AT[1:])
        lines.append(
            f"| {one['solver']} | {one['runs']} | {' | '.join(cells)} | "
            f"{'' if one['solver'] == REFERENCE else against} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

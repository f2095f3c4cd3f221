"""Which solver needs the fewest trainings, on problems whose answers are known: nothing is trained.

Runs are appended to a file of JSON lines and those already there are not made again, so a benchmark
that was interrupted goes on, and a wider one keeps what it has.

    python benchmarks/solvers.py --runs runs.jsonl --seeds 50
    python benchmarks/solvers.py --runs runs.jsonl --seeds 50 --noise
    python benchmarks/solvers.py --runs runs.jsonl --report docs/images/solvers.svg results.json
"""

import argparse
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import _problems
from _loop import Run, Search, play
from _portfolios import locals_points, tpes_points, with_partner
from _standing import report

from orchestrator import solvers
from orchestrator.solvers import nomad
from orchestrator.spec.problem import Evaluate, Problem

BUDGET = 100
PORTFOLIOS = {
    "nomad and local": with_partner(locals_points),
    "nomad and tpe": with_partner(tpes_points),
}
VARIANTS = {"nomad without search": 0, "nomad without poll": 10**9}  # searched points for each polled one
OTHERWISE = (  # NOMAD's settings, each unlike ours
    *("QUAD_MODEL_SEARCH yes", "NM_SEARCH yes", "DIRECTION_TYPE ORTHO N+1 NEG"),
    *("DIRECTION_TYPE ORTHO N+1 QUAD", "DIRECTION_TYPE SINGLE"),
)
SET_OTHERWISE = {
    f"{label}, {setting}": (searched, setting)
    for label, searched in {"nomad": None, "nomad without search": 0}.items()
    for setting in OTHERWISE
}


@dataclass(frozen=True)
class Cell:
    """What one run is of."""

    problem: str
    solver: str
    block: int
    noise: bool
    seed: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, required=True, help="JSON lines, made or added to")
    parser.add_argument("--problems", nargs="+", default=_problems.NAMES, choices=_problems.NAMES)
    parser.add_argument(
        "--solvers",
        nargs="+",
        default=["random", "local", "nomad", "tpe"],
        choices=[*solvers.names(), *VARIANTS, *SET_OTHERWISE, *PORTFOLIOS],
    )
    parser.add_argument("--blocks", nargs="+", type=int, default=[1])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument(
        "--noise", action="store_true", help="noisy trainings, winners confirmed on the budget"
    )
    parser.add_argument(
        "--report",
        nargs=2,
        type=Path,
        metavar=("PLOT", "NUMBERS"),
        help="make no runs; print tables and write these",
    )
    given = parser.parse_args()
    if given.report:
        report(recorded(given.runs), *given.report)
        return
    warnings.simplefilter("ignore")  # Optuna's, of what it calls experimental
    make(given.runs, list(cells(given.problems, given.solvers, given.blocks, given.noise, given.seeds)))


def searching(label: str) -> Search:
    """The solver of this name, or `nomad` without one of its steps, otherwise set or with a partner."""
    if label in PORTFOLIOS:
        return PORTFOLIOS[label]
    if label in SET_OTHERWISE:
        return nomad_with(*SET_OTHERWISE[label])
    return nomad_with(VARIANTS[label]) if label in VARIANTS else solvers.load(label).search


def nomad_with(searched_per_polled: int | None, setting: str | None = None) -> Search:
    """`nomad` with that many searched points for each polled one, and one of NOMAD's parameters set so."""

    def search(problem: Problem, evaluate: Evaluate) -> None:
        if searched_per_polled is not None:
            nomad.SEARCHED_PER_POLLED = searched_per_polled  # in a process of its own
        if setting is not None:
            kept = [ours for ours in nomad.SETTINGS if ours.split()[0] != setting.split()[0]]
            vars(nomad)["SETTINGS"] = (*kept, setting)
        nomad.search(problem, evaluate)

    return search


def cells(
    problems: Sequence[str], names: Sequence[str], blocks: Sequence[int], noise: bool, seeds: int
) -> Iterator[Cell]:
    """The runs that are asked for, seed by seed, so that what is done first is paired."""
    for seed in range(1, seeds + 1):
        for problem in problems:
            if noise and _problems.load(problem).draw is None:
                continue
            yield from (Cell(problem, name, block, noise, seed) for block in blocks for name in names)


def make(path: Path, wanted: Sequence[Cell]) -> None:
    """Make the runs that the file does not have yet."""
    have = {cell for cell, _ in recorded(path)}
    with path.open("a") as runs:
        for cell in wanted:
            if cell in have:
                continue
            benchmark = _problems.load(cell.problem)
            run = play(benchmark, searching(cell.solver), cell.seed, BUDGET, cell.block, cell.noise)
            runs.write(json.dumps(asdict(cell) | {"run": asdict(run)}) + "\n")
            runs.flush()


def recorded(path: Path) -> list[tuple[Cell, Run]]:
    """The runs of a file; none where there is no file yet."""
    if not path.exists():
        return []
    lines = map(json.loads, path.read_text().splitlines())
    return [(Cell(**{k: v for k, v in line.items() if k != "run"}), Run(**line["run"])) for line in lines]


if __name__ == "__main__":
    main()

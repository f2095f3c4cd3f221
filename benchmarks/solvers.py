"""Which solver needs the fewest trainings, where the answers are known: nothing is trained.

Runs are appended to a file of JSON lines and those already there are not made again, so a benchmark
that was interrupted goes on, and a wider one keeps what it has.

    python benchmarks/solvers.py --runs runs.jsonl --seeds 50
    python benchmarks/solvers.py --runs searches.jsonl --noise --problems laws --seeds 100 --first-seed 300001
    python benchmarks/solvers.py --runs runs.jsonl --report docs/images/solvers.svg results.json

With `--noise` trainings are noisy, and networks are searched by the project's own loop, verdicts included
(`_search.py`): random scaling laws and the real grid, whose base is measured on the budget, and
NAS-Bench-Macro. What is named after t trainings is noted as the search goes on: the network confirmed by
then, or else the start.
"""

import argparse
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import _problems
import _search
from _landscapes import SETTINGS, Landscape
from _loop import Search, play
from _portfolios import locals_points, tpes_points, with_partner
from _runs import Run
from _search import Searched, Versions
from _standing import FROZEN, report

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
    names = list(dict.fromkeys((*_problems.NAMES, *SETTINGS)))
    parser.add_argument("--problems", nargs="+", default=names, choices=names)
    parser.add_argument(
        "--solvers",
        nargs="+",
        default=["random", "local", "nomad", "tpe"],
        choices=[*solvers.names(), FROZEN, *VARIANTS, *SET_OTHERWISE, *PORTFOLIOS],
    )
    parser.add_argument("--blocks", nargs="+", type=int, default=[1])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--noise", action="store_true", help="noisy trainings")
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
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    make(given.runs, list(cells(given.problems, given.solvers, given.blocks, given.noise, seeds)))


def searching(label: str) -> Search:
    """The solver of this name, or `nomad` as it was, without a step, otherwise set or with a partner."""
    if label in PORTFOLIOS:
        return PORTFOLIOS[label]
    if label == FROZEN:
        return lambda problem, evaluate: nomad.search(replace(problem, version=1, costs=None), evaluate)
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
    problems: Sequence[str], names: Sequence[str], blocks: Sequence[int], noise: bool, seeds: Sequence[int]
) -> Iterator[Cell]:
    """The runs that are asked for, seed by seed, so that what is done first is paired."""
    for seed in seeds:
        for problem in problems:
            if not _is_offered(problem, noise):
                continue
            yield from (Cell(problem, name, block, noise, seed) for block in blocks for name in names)


def make(path: Path, wanted: Sequence[Cell]) -> None:
    """Make the runs that the file does not have yet."""
    have = {cell for cell, _ in recorded(path)}
    with path.open("a") as runs:
        for cell in wanted:
            if cell in have:
                continue
            run = search_networks(cell) if _is_search(cell.problem, cell.noise) else _play(cell)
            runs.write(json.dumps(asdict(cell) | {"run": asdict(run)}) + "\n")
            runs.flush()


def _is_search(problem: str, noise: bool) -> bool:
    return noise and problem in SETTINGS


def _is_offered(problem: str, noise: bool) -> bool:
    if _is_search(problem, noise):
        return True
    return problem in _problems.NAMES and (not noise or _problems.load(problem).draw is not None)


def _play(cell: Cell) -> Run:
    benchmark = _problems.load(cell.problem)
    return play(benchmark, searching(cell.solver), cell.seed, BUDGET, cell.block, cell.noise)


def search_networks(cell: Cell) -> Run:
    """Run one search by the project's own loop, of a solver of this project or of `nomad` as it was."""
    setting = SETTINGS[cell.problem]
    land = setting.make(cell.seed)
    solver, versions = ("nomad", Versions(2, 1)) if cell.solver == FROZEN else (cell.solver, Versions())
    given = {**setting.given, "solver": solver, "trials": BUDGET}
    return summarise(_search.search(land, given, cell.seed, versions, cell.block), land)


def summarise(found: Searched, land: Landscape) -> Run:
    """Return what is kept of a search."""
    optimum = land.optimum(found.least)
    assert optimum is not None  # the start is good enough
    named = [(0, land.base), *found.named[1:]]  # the first is the base
    steps = [(at, land.macs[name] / optimum, land.truth[name] >= found.least - 1e-9) for at, name in named]
    trained = [row for row in found.rows if row.state == "completed"]
    return Run(
        steps,
        len(trained),
        found.blocks,
        found.placed,
        sum(row.purpose != "search" for row in trained),
        len(found.rows) - len(trained),
        found.solver_seconds,
    )


def recorded(path: Path) -> list[tuple[Cell, Run]]:
    """The runs of a file; none where there is no file yet."""
    if not path.exists():
        return []
    lines = map(json.loads, path.read_text().splitlines())
    return [(Cell(**{k: v for k, v in line.items() if k != "run"}), Run(**line["run"])) for line in lines]


if __name__ == "__main__":
    main()

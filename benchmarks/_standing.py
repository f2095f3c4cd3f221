"""How solvers stand after a benchmark: tables in Markdown, numbers in JSON, and a plot.

Solvers are compared on the same seeds. Infinity stands for a run that named nothing.
"""

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import _problems
from _chart import COLOURS, Line, Panel, drawn
from _landscapes import SETTINGS
from _runs import Run
from scipy.stats import binomtest

AT = (25, 50, 100)
REFERENCE = "nomad"
AT_SEARCHES = (10, 15, 20, 25, 40, 50, 100)  # of whole searches of networks
FROZEN = "nomad of version 1"  # what `nomad` was before it knew MACs and planned replicates: their reference
REACHED_BY = 60  # trainings of the reference, whose result is to be reached with fewer
CLOSE = 0.05  # of the way from the start to the optimum that may be left, in the data profile
SHOWN = ("macro-92", "macro-92.5")  # in the plot's first panels
Group = tuple[str, bool, int]  # problem, noise, block
Table = dict[Group, dict[str, dict[int, Run]]]  # by solver and seed


def report(recorded: Sequence[tuple[Any, Run]], plot: Path, numbers: Path) -> None:
    """Print a table for each problem, noise and block size; write the plot and the numbers."""
    table = grouped(recorded)
    standing = [
        standings(group, runs, table.get((*group[:2], 1), {}))
        for group, runs in sorted(table.items(), key=lambda item: _order(item[0]))
    ]
    for one in standing:
        print(markdown(one))
    numbers.parent.mkdir(parents=True, exist_ok=True)
    numbers.write_text(json.dumps(standing, indent=1) + "\n")
    plot.parent.mkdir(parents=True, exist_ok=True)
    plot.write_text(drawn(panels(table)))


def grouped(recorded: Sequence[tuple[Any, Run]]) -> Table:
    """Runs by problem, noise and block size, then by solver, then by seed."""
    table: Table = defaultdict(lambda: defaultdict(dict))
    for cell, run in recorded:
        table[cell.problem, cell.noise, cell.block][cell.solver][cell.seed] = run
    return table


def standings(
    group: Group, runs: Mapping[str, Mapping[int, Run]], in_ones: Mapping[str, Mapping[int, Run]]
) -> dict[str, Any]:
    """The numbers of one group, JSON data. `in_ones`: the runs of the same problem in blocks of 1."""
    problem, noise, block = group
    if noise and problem in SETTINGS:
        today = in_ones.get(REFERENCE, {})
        found = [
            _search_row(solver, by_seed, runs.get(FROZEN, {}), today, block)
            for solver, by_seed in runs.items()
        ]
        found.sort(key=lambda row: (row["at"]["20"]["median"], row["at"]["100"]["median"]))
        return {"problem": problem, "noise": noise, "block": block, "searches": found}
    rows = [_row(solver, by_seed, runs.get(REFERENCE, {}), block) for solver, by_seed in runs.items()]
    rows.sort(key=lambda row: (row["best"]["50"]["median"], row["best"]["100"]["median"]))
    return {"problem": problem, "noise": noise, "block": block, "solvers": rows}


def _row(solver: str, runs: Mapping[int, Run], reference: Mapping[int, Run], block: int) -> dict[str, Any]:
    alive = [run for run in runs.values() if not run.died]
    return {
        "solver": solver,
        "runs": len(runs),
        "died": len(runs) - len(alive),
        "best": {str(at): quartiles([run.best(at) for run in runs.values()]) for at in AT},
        "truly_feasible": sum(run.is_feasible for run in runs.values()) / len(runs),
        "fill": _fill(alive, block),
        "seconds": statistics.mean(run.seconds for run in runs.values()),
        "against_reference": {str(at): paired(reference, runs, at) for at in AT[1:]},
    }


def _fill(runs: Sequence[Run], block: int) -> float:
    """The share of places in blocks that were trained."""
    return sum(run.placed for run in runs) / max(1, block * sum(run.blocks for run in runs))


def _search_row(
    solver: str, runs: Mapping[int, Run], frozen: Mapping[int, Run], today: Mapping[int, Run], block: int
) -> dict[str, Any]:
    alive = [run for run in runs.values() if not run.died]
    pairs = [(runs[seed], frozen[seed]) for seed in runs if seed in frozen]
    reached = [mine.reaches(theirs.best(REACHED_BY)) for mine, theirs in pairs if _is_found(theirs)]
    return {
        "solver": solver,
        "runs": len(runs),
        "at": {str(at): _named(list(runs.values()), at) for at in AT_SEARCHES},
        "against_frozen": {str(at): paired(runs, frozen, at) for at in AT_SEARCHES},
        "against_reference": {str(at): paired(today, runs, at) for at in AT_SEARCHES},
        "reaches_frozen": quartiles(reached) if reached else None,
        "fill": _fill(alive, block),
        "replicates": statistics.mean(run.replicates for run in alive),
        "seconds_a_training": statistics.mean(run.seconds / run.trainings for run in alive),
    }


def _is_found(run: Run) -> bool:
    return run.found(REACHED_BY) and run.worth(REACHED_BY) < math.inf


def _named(runs: Sequence[Run], at: int) -> dict[str, Any]:
    """MACs over the optimum of what was named after so many trainings, and how much of it is true."""
    steps = [run.step(at) for run in runs]
    truths = [run.step(at)[2] for run in runs if run.found(at)]
    share = binomtest(sum(truths), len(truths)).proportion_ci(method="wilson") if truths else None
    interval = [float(share.low), float(share.high)] if share else None
    of_named = {"named": len(truths), "true": sum(truths), "interval": interval}
    return {**quartiles([value for _, value, _ in steps]), **of_named}


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """The lower quartile, median and upper quartile, by nearest rank, which infinity does not disturb."""
    ranked = sorted(values)
    at = {"lower": 0.25, "median": 0.5, "upper": 0.75}
    return {name: ranked[max(0, math.ceil(share * len(ranked)) - 1)] for name, share in at.items()}


def paired(reference: Mapping[int, Run], runs: Mapping[int, Run], at: int) -> dict[str, float]:
    """On how many common seeds the reference was better and worse, and the sign test's two-sided p."""
    pairs = [(reference[seed].worth(at), runs[seed].worth(at)) for seed in runs if seed in reference]
    better = sum(one < other for one, other in pairs)
    worse = sum(one > other for one, other in pairs)
    p = float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
    return {"better": better, "worse": worse, "p": p}


def markdown(standing: Mapping[str, Any]) -> str:
    """One group as a table for a reader."""
    if "searches" in standing:
        return _search_markdown(standing)
    noise = ", noisy trainings" if standing["noise"] else ""
    lines = [
        f"\n**{standing['problem']}**{noise}, blocks of {standing['block']}\n",
        "| solver | runs | at 25 | at 50 | at 100 | winner feasible | fill "
        f"| {REFERENCE} better:worse at 50, at 100 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in standing["solvers"]:
        best = " | ".join(_spread(row["best"][str(at)]) for at in AT)
        against = ", ".join(versus(row["against_reference"][str(at)]) for at in AT[1:])
        lines.append(
            f"| {row['solver']} | {row['runs']} | {best} | {row['truly_feasible']:.0%} | {row['fill']:.0%} | "
            f"{'' if row['solver'] == REFERENCE else against} |"
        )
    return "\n".join(lines)


def _search_markdown(standing: Mapping[str, Any]) -> str:
    columns = " | ".join(f"at {at}" for at in AT_SEARCHES)
    lines = [
        f"\n**{standing['problem']}**, whole searches, blocks of {standing['block']}\n",
        f"| solver | searches | {columns} | truly as accurate at 20, at 100 "
        f"| better:worse than {FROZEN} at 20, at 40, at 100 "
        f"| trainings until as good as that at {REACHED_BY} | fill | s a training |",
        "| --- " * (len(AT_SEARCHES) + 7) + "|",
    ]
    for row in standing["searches"]:
        medians = " | ".join(f"{row['at'][str(at)]['median']:.3f}" for at in AT_SEARCHES)
        true = ", ".join(f"{row['at'][at]['true']} of {row['at'][at]['named']}" for at in ("20", "100"))
        against = ", ".join(versus(row["against_frozen"][at]) for at in ("20", "40", "100"))
        reached = "" if row["reaches_frozen"] is None else f"{row['reaches_frozen']['median']:g}"
        lines.append(
            f"| {row['solver']} | {row['runs']} | {medians} | {true} | "
            f"{'' if row['solver'] == FROZEN else against} | {reached} | {row['fill']:.0%} | "
            f"{row['seconds_a_training']:.2f} |"
        )
    return "\n".join(lines)


def _spread(values: Mapping[str, float]) -> str:
    return f"{values['median']:.3f} ({values['lower']:.3f}-{values['upper']:.3f})"


def versus(pair: Mapping[str, float]) -> str:
    p = "p < .001" if pair["p"] < 0.001 else f"p = {pair['p']:.3f}".replace("0.", ".")
    return f"{pair['better']}:{pair['worse']} ({p})"


def panels(table: Table) -> list[Panel]:
    """Medians on the problems SHOWN, and the data profile over all problems; without noise, one at a time."""
    shown = [
        Panel(
            f"{problem}: median of FLOPs / optimum",
            [_line(*one) for one in table[problem, False, 1].items() if one[0] in COLOURS],
            (1.0, 1.5),
        )
        for problem in SHOWN
        if (problem, False, 1) in table
    ]
    shown += [
        Panel(f"{problem}: median of MACs / optimum", [_line(*one) for one in runs.items()], (1.0, 2.0))
        for (problem, noise, block), runs in table.items()
        if noise and block == 1 and problem in SETTINGS
    ]
    if not any(not noise for _, noise, _ in table):
        return shown
    profile = Panel(f"data profile: share of runs within {CLOSE:.0%}", profiles(table), (0.0, 1.0))
    return [*shown, profile]


def _line(solver: str, runs: Mapping[int, Run]) -> Line:
    return Line(solver, _medians(runs))


def _medians(runs: Mapping[int, Run]) -> list[tuple[float, float]]:
    """The median after each training from the fifth on."""
    return [(at, quartiles([run.best(at) for run in runs.values()])["median"]) for at in range(5, AT[-1] + 1)]


def profiles(table: Table) -> list[Line]:
    """For each solver that met all problems, the share of its runs that are solved after each training.

    Solved: f <= optimum + CLOSE * (f(start) - optimum) (Moré and Wild 2009, equation 2.2). Its data
    profiles count in simplex gradients; here all problems count in trainings.
    """
    groups = [group for group in table if not group[1] and group[2] == 1]
    common = set.intersection(*(set(table[group]) for group in groups)) if groups else set[str]()
    lines = []
    for solver in sorted(common & set(COLOURS)):
        runs = [(run, _target(group[0])) for group in groups for run in table[group][solver].values()]
        share = [
            (float(at), sum(run.best(at) <= target for run, target in runs) / len(runs))
            for at in range(1, AT[-1] + 1)
        ]
        lines.append(Line(solver, share))
    return lines


def _target(problem: str) -> float:
    benchmark = _problems.load(problem)
    return 1 + CLOSE * (benchmark.truth(benchmark.start).objective / benchmark.optimum - 1)


def _order(group: Group) -> tuple[bool, int, int]:
    names = [*_problems.NAMES, *SETTINGS]
    return group[1], names.index(group[0]), group[2]

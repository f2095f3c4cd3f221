"""Whether the networks that a search names are what it says: searches of networks whose truth is known.

    python benchmarks/truth.py --table nas-bench-macro_cifar10.json --bounds .92 .925 --seeds 50
    python benchmarks/truth.py --table nas-bench-macro_cifar10.json --measured-base --tolerance .003
    python benchmarks/truth.py --laws --rho 0 .3 .6 [--nothing-smaller] [--exact-bound] [--folds 6]
    python benchmarks/truth.py --formula --rho 0 .3 .6 --seeds 1000 [--nothing-smaller] [--folds 6]

A search is the project's own, but MACs are looked up and trainings drawn (`_search.py`). `--formula` has no
solver: candidates come in random order, and the project's rule decides. `--version 1` are the rules of
version 0.1, for which the baseline's mean is exact; 2 compares by pairs, as candidates still are where the
solver does not plan replicates, and by the formula.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import _search
from _landscapes import LAW_IMAGES, SD, Landscape, make_law, name_point, read_table
from _search import Versions

from orchestrator.search.confirmation import Winner
from orchestrator.search.verdict import BaseRule, BoundRule, Repeats
from orchestrator.spec import search_options
from orchestrator.spec.search_options import SearchOptions
from results.analysis.difference import BASE
from results.analysis.posterior import VerdictSettings
from results.db.tables import Trial

CANDIDATES = 25  # of a search by the formula, out of 60
Z95 = statistics.NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Found:
    """What one search named, and what that is worth.

    difference: true accuracy less what it had to be, in points; ratio: MACs over the optimum's
    trained: trainings of the search's own; replicates: of the base network and of candidates
    """

    seed: int
    status: str  # 'confirmed', 'provisional' or 'none'
    difference: float | None
    ratio: float | None
    trained: int
    replicates: int

    @property
    def is_true(self) -> bool:
        return self.difference is not None and self.difference >= -1e-9


def search(land: Landscape, given: Mapping[str, Any], version: int, seed: int) -> Found:
    """Run one search and hold what it names against the truth. `given`: its options."""
    done = _search.search(land, given, seed, Versions() if version > 2 else Versions(version, 1))
    return judge(land, done.least, done.winner, seed, done.rows)


def judge(land: Landscape, least: float, winner: Winner | None, seed: int, rows: Sequence[Trial]) -> Found:
    """Hold a winner against the truth. Raise ValueError where no network has an accuracy of `least`."""
    optimum = land.optimum(least)
    if optimum is None:
        raise ValueError(f"no network has an accuracy of {least}; give lower --bounds")
    replicates = sum(row.purpose in ("baseline", "confirmation") for row in rows)
    trained = sum(row.state == "completed" for row in rows) - replicates
    if winner is None or winner.trial.point == dict(land.start):
        return Found(seed, "none", None, None, trained, replicates)
    name = name_point((winner.trial.config or {})["architecture"])
    difference = 100 * (land.truth[name] - least)
    return Found(seed, winner.status, difference, land.macs[name] / optimum, trained, replicates)


@dataclass(frozen=True)
class Formula:
    """Searches without a solver: 25 of 60 networks in random order, each smaller than the one before.

    Their true accuracies differ from the base network's by -3 to 2 standard deviations of a training, the
    smaller network the less; with `nothing_smaller` by -3 to 0. With `folds` a fraction 1 / folds of a
    network's own variance is common to all its trainings, which share images (Nadeau and Bengio 2003).
    The standard deviation of a candidate's training is `noisier` times the base network's.
    """

    rho: float
    version: int
    nothing_smaller: bool
    folds: int
    noisier: float
    given: Mapping[str, Any]

    def search(self, seed: int) -> Found:
        """Run one search with the rule of the version."""
        rng = random.Random(f"{seed} {self.rho}")
        request = search_options.resolve_options("nas", "cells", {**self.given, "seed": seed})
        overlap = 1 / self.folds if self.folds else 0.0
        settings = VerdictSettings(request.confidence, request.tolerance, self.version > 1, True, overlap)
        shared = [rng.gauss(0, math.sqrt(self.rho)) for _ in range(1 + request.confirm)]
        lasting = [rng.gauss(0, math.sqrt((1 - self.rho) * overlap)) for _ in range(61)]
        own = math.sqrt((1 - self.rho) * (1 - overlap))

        def train(network: int, difference: float, replicate: int) -> float:
            noise = lasting[network] + shared[replicate] + rng.gauss(0, own)
            return 0.9 + SD * (difference + noise * (1.0 if network == BASE else self.noisier))

        trainings = {
            BASE: {replicate: train(BASE, 0.0, replicate) for replicate in range(request.replicates)}
        }
        bound = statistics.fmean(trainings[BASE].values()) - request.tolerance
        rule = (BoundRule if self.version == 1 else BaseRule)(settings, bound, request.confirm, 1, LAW_IMAGES)
        found, trained, replicates = None, 0, request.replicates
        most = 0 if self.nothing_smaller else 2
        differences = sorted((rng.uniform(-3, most) for _ in range(60)), reverse=True)
        for place in rng.sample(range(60), CANDIDATES):
            number, difference = 1 + place, differences[place]
            if (found is not None and place <= found) or trained + replicates >= request.trials:
                continue
            trained += 1
            if train(number, difference, 0) < bound:
                continue
            trainings[number], repeats, verdict = {}, Repeats((1,)), None
            while verdict is None and trained + replicates < request.trials:
                trainings[number] |= {one: train(number, difference, one) for one in repeats.candidate}
                trainings[BASE] |= {one: train(BASE, 0.0, one) for one in repeats.base}
                replicates += len(repeats)
                judged = rule.judge(number, trainings)
                verdict, repeats = judged.verdict(settings.needed), judged.next
            found = place if verdict == "confirmed" else found
        if found is None:
            return Found(seed, "none", None, None, trained, replicates)
        worth = 100 * (SD * differences[found] + request.tolerance)
        return Found(seed, "confirmed", worth, None, trained, replicates)


@dataclass(frozen=True)
class Laws:
    """Searches by the loop on random scaling laws, one a seed.

    nothing_smaller: the base network is more accurate than all smaller ones
    exact_bound: its true accuracy less the tolerance is given as the bound, instead of measured
    folds: as of `Formula`; 0: images are drawn
    """

    rho: float
    version: int
    nothing_smaller: bool
    exact_bound: bool
    folds: int
    given: Mapping[str, Any]

    def search(self, seed: int) -> Found:
        """Run the search of a seed."""
        land = make_law(seed, self.rho, self.folds)
        if self.nothing_smaller:
            land = land.raise_base()
        given = {**self.given}
        if self.exact_bound:
            given["min_accuracy"] = land.truth[land.base] - given.pop("tolerance", 0.0)
        return search(land, given, self.version, seed)


def summarise(asked: Mapping[str, Any], found: Sequence[Found]) -> dict[str, Any]:
    """Return the share of confirmed networks that are true, with Wilson's 95% interval, and the costs.

    passes: whether a share of 95% lies within or below the interval
    """
    named = [one for one in found if one.status == "confirmed"]
    true = sum(one.is_true for one in named)
    low, high = wilson(true, len(named))
    ratios = sorted(one.ratio for one in named if one.ratio is not None)
    return {
        **asked,
        "searches": len(found),
        "confirmed": len(named),
        "provisional": sum(one.status == "provisional" for one in found),
        "true": true,
        "share": true / len(named) if named else None,
        "interval": [low, high],
        "passes": bool(named) and high >= 0.95,
        "worst_points": min((one.difference for one in named if one.difference is not None), default=None),
        "macs_over_optimum": statistics.median(ratios) if ratios else None,
        "trainings": statistics.fmean(one.trained + one.replicates for one in found),
        "replicates": statistics.fmean(one.replicates for one in found),
    }


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a probability (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    share, z2 = successes / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return middle - half, middle + half


def main(asked: argparse.Namespace) -> None:
    given = {name: getattr(asked, name) for name in ("solver", "trials", "confidence", "confirm")}
    if asked.measured_base or asked.formula or asked.laws:
        given |= {"tolerance": asked.tolerance}
    for settings, run in _cases(asked, given):
        began = time.monotonic()
        with Pool(asked.processes) as pool:
            found = list(pool.imap_unordered(run, range(asked.first_seed, asked.first_seed + asked.seeds)))
        found.sort(key=lambda one: one.seed)
        seconds = {"seconds_each": (time.monotonic() - began) * asked.processes / len(found)}
        print(json.dumps(summarise(settings, found) | seconds), flush=True)
        if asked.out:
            with asked.out.open("a") as file:
                file.writelines(json.dumps(settings | asdict(one)) + "\n" for one in found)


def _cases(
    asked: argparse.Namespace, given: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Any], Callable[[int], Found]]]:
    """Yield what is asked, and a function that runs the search of a seed."""
    known = {"version": asked.version, "tolerance": asked.tolerance, "trials": asked.trials}
    if asked.formula:
        for rho in asked.rho:
            formula = Formula(rho, asked.version, asked.nothing_smaller, asked.folds, asked.noisier, given)
            told = {name: getattr(formula, name) for name in ("rho", "nothing_smaller", "folds", "noisier")}
            yield {"by": "formula", **told} | known, formula.search
        return
    known |= {"by": "loop", "solver": asked.solver}
    for rho in asked.rho if asked.laws else ():
        law = Laws(rho, asked.version, asked.nothing_smaller, asked.exact_bound, asked.folds, given)
        told = {name: getattr(law, name) for name in ("rho", "nothing_smaller", "exact_bound", "folds")}
        yield {"on": "laws", **told} | known, law.search
    if asked.table:
        for bound in [None] if asked.measured_base else asked.bounds:
            exact = {} if bound is None else {"min_accuracy": bound}
            run = partial(_search_table, asked.table, {**given, **exact}, asked.version)
            yield {"on": "table", **exact} | known, run


def _search_table(path: Path, given: Mapping[str, Any], version: int, seed: int) -> Found:
    return search(read_table(path), given, version, seed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path)
    parser.add_argument("--laws", action="store_true", help="random scaling laws, whose base is measured")
    parser.add_argument("--formula", action="store_true", help="without a solver; the base is measured")
    parser.add_argument("--rho", type=float, nargs="+", default=[0.0], help="of the laws and the formula")
    parser.add_argument("--bounds", type=float, nargs="+", default=[0.92, 0.925], help="of the table")
    parser.add_argument("--measured-base", action="store_true", help="of the table, instead of --bounds")
    parser.add_argument(
        "--nothing-smaller", action="store_true", help="that is as accurate; not of the table"
    )
    parser.add_argument("--exact-bound", action="store_true", help="of the laws: the base's true accuracy")
    parser.add_argument("--noisier", type=float, default=1.0, help="times that a candidate's trainings are")
    parser.add_argument("--folds", type=int, default=0, help="that replicates are; not of the table")
    parser.add_argument("--tolerance", type=float, default=0.0, help="against a measured base")
    parser.add_argument("--version", type=int, choices=(1, 2, 3), default=3, help="of the rules")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--solver", default="local")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--confidence", type=float, default=SearchOptions.model_fields["confidence"].default)
    parser.add_argument("--confirm", type=int, default=SearchOptions.model_fields["confirm"].default)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, help="append each search as a JSON line")
    main(parser.parse_args(sys.argv[1:]))

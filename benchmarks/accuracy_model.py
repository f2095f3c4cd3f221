"""How soon, and how truly, the model of accuracy finds the smallest network: searches of random scaling laws.

    python benchmarks/accuracy_model.py --family varied --seeds 200000:200200 --rho 0 .3 .6 --tolerance .005

The search is the model's alone, without a solver or a database: the base is trained three times, then a star
design, and then the trainings that the model asks for, `--block` at a time. The noise is unknown. All
trainings count. A search that names nothing counts as the base's cost. The optimum is the cheapest network
whose truth is the base's less the tolerance.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
from _landscapes import Landscape, make_law, make_rippled_law, name_point
from truth import Z95

from orchestrator.solvers._accuracy_model import fit_accuracy
from orchestrator.solvers._next_trainings import (
    choose_next,
    expected_saving,
    find_named,
    log_multipliers,
    star_design,
)
from orchestrator.spec.problem import AccuracyGoal, Ask, Training
from search_spaces import Point

FAMILIES = {"laws": make_law, "varied": make_rippled_law}
AT = (10, 15, 20, 25, 40)  # trainings


@dataclass(frozen=True)
class Standing:
    """What a search named after so many trainings: cost over the optimum's, and its truth less what it must be.

    margin: None if it named nothing
    """

    trainings: int
    ratio: float
    margin: float | None
    expected: float
    cost: float


class Search:
    def __init__(
        self, land: Landscape, seed: int, tolerance: float, exact: float | None, impossible: bool
    ) -> None:
        self.land, self.seed = land, seed
        self.points = list(land.space)
        names = [name_point(point) for point in self.points]
        self.place = {point: i for i, point in enumerate(self.points)}
        self.costs = np.array([float(land.macs[name]) for name in names])
        self.truth = np.array([land.truth[name] for name in names])
        base = self.place[land.start]
        self.bound = self.truth[base] - (tolerance if exact is None else exact)
        if impossible:  # nothing smaller is as accurate
            smaller = self.costs < self.costs[base]
            self.truth = np.where(smaller, np.minimum(self.truth, self.bound - 1e-6), self.truth)
        rows = log_multipliers(land.start, land.space)(self.points)
        self.features = lambda points: rows[[self.place[point] for point in points]]
        goal = AccuracyGoal(None, self.bound, 0.0, 0.95, land.validation_images, 0.0, 6)
        if exact is None:
            own = tuple(self.train(Ask(land.start, replicate)) for replicate in range(3))
            mean = statistics.fmean(one.score for one in own if one.score is not None)
            goal = replace(goal, base=land.start, bound=mean - tolerance, tolerance=tolerance, trainings=own)
        self.goal = goal
        enough = (self.truth >= self.bound - 1e-12) & (self.costs <= self.costs[base])
        self.optimum = float(self.costs[enough].min())
        self.base_cost = float(self.costs[base])
        self.seconds = 0.0

    def train(self, ask: Ask) -> Training:
        point = self.place[ask.point]
        name = name_point(ask.point)
        noise = self.land.train(name, ask.replicate, self.seed) - self.land.truth[name]
        return Training(ask.point, ask.replicate, float(self.truth[point] + noise))

    def run(self, block: int, budget: int, saving: bool) -> list[Standing]:
        trainings = list(self.goal.trainings)
        first = [Ask(point) for point in star_design(self.land.space, self.land.start)]
        if self.goal.base is None:
            first.insert(0, Ask(self.land.start))
        trainings += map(self.train, first)
        standings: list[Standing] = []
        due = [n for n in AT if n <= budget]
        while True:
            began = time.process_time()
            model = fit_accuracy(trainings, self.goal, self.features)
            named = find_named(model, self.points, self.costs)
            cost = self.base_cost if named is None else float(self.costs[self.place[named]])
            margin = None if named is None else float(self.truth[self.place[named]] - self.bound)
            ended = False
            while due and (len(trainings) >= due[0] or ended):
                more = expected_saving(model, self.points, self.costs) if saving else 0.0
                standings.append(Standing(due.pop(0), cost / self.optimum, margin, more, cost))
            if not due:
                self.seconds = max(self.seconds, time.process_time() - began)
                return standings
            asks = choose_next(model, self.points, self.costs, min(block, due[0] - len(trainings)))
            self.seconds = max(self.seconds, time.process_time() - began)
            if not asks:
                while due:
                    standings.append(Standing(due.pop(0), cost / self.optimum, margin, 0.0, cost))
                return standings
            if VERBOSE:
                for a in asks:
                    t = self.truth[self.place[a.point]] - self.bound
                    print(
                        len(trainings),
                        a.belief["kind"],
                        list(a.point.values()),
                        a.replicate,
                        f"P {a.belief['probability']:.3f} d {100 * a.belief['difference']:.2f} [{100 * a.belief['difference_low']:.2f},{100 * a.belief['difference_high']:.2f}] noise {100 * a.belief['noise']:.2f} rho {a.belief['shared_noise']:.2f} truth {100 * t:.2f} cost/opt {self.costs[self.place[a.point]] / self.optimum:.2f} named {cost / self.optimum:.2f} margin {margin}  parts {len(model._parts.weights)}",
                    )
            trainings += map(self.train, asks)


VERBOSE = False


def wilson(hits: int, n: int) -> tuple[float, float]:
    if not n:
        return 0.0, 1.0
    share, z2 = hits / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5 / (1 + z2 / n)
    return middle - half, middle + half


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", choices=FAMILIES, default="laws")
    parser.add_argument("--seeds", default="100000:100040")
    parser.add_argument("--rho", type=float, nargs="+", default=[0.0, 0.3, 0.6])
    parser.add_argument("--tolerance", type=float, default=0.005)
    parser.add_argument(
        "--exact", type=float, default=None, help="an exact bound, so far below the base's truth"
    )
    parser.add_argument("--block", type=int, default=1)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--nothing-smaller", action="store_true")
    parser.add_argument("--saving", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--set", nargs="*", default=[])
    given = parser.parse_args(arguments)
    from orchestrator.solvers import _accuracy_model, _next_trainings

    for item in given.set:
        name, value = item.split("=")
        for mod in (_accuracy_model, _next_trainings):
            if hasattr(mod, name):
                setattr(mod, name, eval(value, vars(mod)))
    global VERBOSE
    VERBOSE = given.verbose
    low, high = map(int, given.seeds.split(":"))
    for rho in given.rho:
        began = time.process_time()
        runs = []
        slowest = 0.0
        for seed in range(low, high):
            land = FAMILIES[given.family](seed, rho)
            search = Search(land, seed, given.tolerance, given.exact, given.nothing_smaller)
            runs.append(search.run(given.block, given.budget, given.saving))
            slowest = max(slowest, search.seconds)
        for k, one in enumerate(runs[0]):
            at = [run[k] for run in runs]
            ratios = sorted(each.ratio for each in at)
            margins = [each.margin for each in at if each.margin is not None]
            true = sum(margin >= -1e-9 for margin in margins)
            w = wilson(true, len(margins))
            quarters = f"{ratios[len(ratios) // 4]:.3f}-{ratios[3 * len(ratios) // 4]:.3f}"
            text = (
                f"rho {rho:g} at {one.trainings}: median {statistics.median(ratios):.3f} ({quarters}), named "
                f"{len(margins)}/{len(at)}, true {true / max(len(margins), 1):.1%} [{w[0]:.1%}, {w[1]:.1%}]"
            )
            if given.saving and k + 1 < len(AT):
                pass
            print(text, flush=True)
        print(
            f"   {(time.process_time() - began) / len(runs):.2f} s a search, slowest step {slowest:.2f} s",
            flush=True,
        )
        if given.saving:
            for a, b in (
                (10, 20),
                (15, 25),
            ):
                e = [
                    (next(s for s in r if s.trainings == a), next(s for s in r if s.trainings == b))
                    for r in runs
                ]
                got = [1 - y.cost / x.cost for x, y in e]
                print(
                    f"   saving {a}->{b}: expected {statistics.fmean(x.expected for x, _ in e):.3f}, came {statistics.fmean(got):.3f}, corr {np.corrcoef([x.expected for x, _ in e], got)[0, 1]:.2f}"
                )


if __name__ == "__main__":
    main(sys.argv[1:])

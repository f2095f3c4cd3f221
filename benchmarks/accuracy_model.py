"""How soon, and how truly, the model of accuracy finds the smallest network: searches of random scaling laws.

    python benchmarks/accuracy_model.py --family varied --seeds 200000:200200 --rho 0 .3 .6 --tolerance .005

A search is the model's alone, without a solver or a database. The base is trained three times; then come a
star design and the trainings that the model asks for, `--block` at a time. The noise is unknown, and all
trainings count. A search that names nothing counts as the cost of the base. The optimum is the cheapest
network whose truth is that of the base less the tolerance. The model was tuned on seeds 100000 to 100499.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
from _landscapes import Landscape, make_law, make_rippled_law, name_point
from truth import wilson

from orchestrator.solvers._accuracy_model import AccuracyModel, fit_accuracy
from orchestrator.solvers._next_trainings import (
    choose_next,
    expected_saving,
    find_named,
    log_multipliers,
    star_design,
)
from orchestrator.spec.problem import AccuracyGoal, Ask, Training
from results.analysis.posterior import VerdictSettings

FAMILIES = {"laws": make_law, "varied": make_rippled_law}
AT = (10, 15, 20, 25, 40)  # trainings
LEVEL, REPEATS = VerdictSettings(by_model=True).needed, 6


@dataclass(frozen=True)
class Standing:
    """What a search would name after so many trainings.

    ratio: its cost over the optimum's
    margin: its true accuracy less what it must be; None if it would name nothing
    saving: that the next ten trainings are expected to bring
    """

    ratio: float
    margin: float | None
    saving: float


class LawSearch:
    """One search of a law.

    exact: the required accuracy is exact, and so far below the base's; None: it is the base's, measured
    nothing_smaller: no smaller network is as accurate as it must be
    """

    def __init__(
        self, land: Landscape, seed: int, tolerance: float, exact: float | None, nothing_smaller: bool
    ) -> None:
        self._land, self._seed = land, seed
        base = land.macs[land.base]
        self._points = [one for one in land.space if one == land.start or land.macs[name_point(one)] < base]
        names = [name_point(point) for point in self._points]
        self._place = {point: place for place, point in enumerate(self._points)}
        self._costs = np.array([float(land.macs[name]) for name in names])
        self._truth = np.array([land.truth[name] for name in names])
        self._required = land.truth[land.base] - (tolerance if exact is None else exact)
        if nothing_smaller:
            too_good = (self._costs < base) & (self._truth >= self._required)
            self._truth[too_good] = self._required - 1e-6
        self._optimum = float(self._costs[self._truth >= self._required - 1e-12].min())
        rows = log_multipliers(land.start, land.space)(self._points)
        self._features = lambda points: rows[[self._place[point] for point in points]]
        self._goal = AccuracyGoal(None, self._required, 0.0, LEVEL, land.validation_images, 0.0, REPEATS)
        if exact is None:
            own = tuple(self._train(Ask(land.start, replicate)) for replicate in range(3))
            bound = statistics.fmean(one.score for one in own if one.score is not None) - tolerance
            self._goal = replace(self._goal, base=land.start, bound=bound, tolerance=tolerance, trainings=own)
        self.slowest = 0.0  # seconds of CPU for one choice

    def run(self, block: int) -> list[Standing]:
        """Return where the search stands after each of `AT`."""
        first = star_design(self._land.space, self._land.start)
        trainings = [*self._goal.trainings, *(self._train(Ask(point)) for point in first)]
        if self._goal.base is None:
            trainings.append(self._train(Ask(self._land.start)))
        standings: list[Standing] = []
        while len(standings) < len(AT):
            began = time.process_time()
            model = fit_accuracy(trainings, self._goal, self._features)
            due = next((n for n in AT if n > len(trainings)), AT[-1] + 1)
            asks = choose_next(model, self._points, self._costs, min(block, due - len(trainings)))
            self.slowest = max(self.slowest, time.process_time() - began)
            if len(trainings) in AT or not asks:
                standings += [self._judge(model)] * (1 if asks else len(AT) - len(standings))
            trainings += map(self._train, asks)
        return standings

    def _judge(self, model: AccuracyModel) -> Standing:
        named = find_named(model, self._points, self._costs)
        place = self._place[named or self._land.start]
        margin = None if named is None else float(self._truth[place] - self._required)
        saving = expected_saving(model, self._points, self._costs)
        return Standing(float(self._costs[place]) / self._optimum, margin, saving or 0.0)

    def _train(self, ask: Ask) -> Training:
        name = name_point(ask.point)
        noise = self._land.train(name, ask.replicate, self._seed) - self._land.truth[name]
        return Training(ask.point, ask.replicate, float(self._truth[self._place[ask.point]] + noise))


def describe(standings: list[Standing]) -> str:
    """Return what searches named after the same number of trainings, in words."""
    ratios = sorted(one.ratio for one in standings)
    margins = [one.margin for one in standings if one.margin is not None]
    true = sum(margin >= -1e-9 for margin in margins)
    text = f"cost over the optimum {statistics.median(ratios):.3f}"
    text += f" ({ratios[len(ratios) // 4]:.3f} to {ratios[3 * len(ratios) // 4]:.3f}), named {len(margins)}"
    if margins:
        low, high = wilson(true, len(margins))
        text += f", truly as accurate {true / len(margins):.1%} [{low:.1%}, {high:.1%}]"
    return text


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", choices=FAMILIES, default="varied")
    parser.add_argument("--seeds", default="200000:200200", help="FIRST:END")
    parser.add_argument("--rho", type=float, nargs="+", default=[0.0, 0.3, 0.6])
    parser.add_argument("--tolerance", type=float, default=0.005)
    parser.add_argument("--exact", type=float, help="an exact required accuracy, so far below the base's")
    parser.add_argument("--block", type=int, default=1, help="trainings at a time")
    parser.add_argument("--nothing-smaller", action="store_true", help="is as accurate as it must be")
    asked = parser.parse_args(arguments)
    for rho in asked.rho:
        runs, slowest = [], 0.0
        for seed in range(*map(int, asked.seeds.split(":"))):
            land = FAMILIES[asked.family](seed, rho)
            search = LawSearch(land, seed, asked.tolerance, asked.exact, asked.nothing_smaller)
            runs.append(search.run(asked.block))
            slowest = max(slowest, search.slowest)
        for place, trainings in enumerate(AT):
            print(f"rho {rho:g}, {trainings} trainings: {describe([run[place] for run in runs])}", flush=True)
        expected = statistics.fmean(run[1].saving for run in runs)
        came = statistics.fmean(1 - run[3].ratio / run[1].ratio for run in runs)
        print(
            f"rho {rho:g}: saving from {AT[1]} to {AT[3]} trainings: expected {expected:.3f}, came {came:.3f}"
        )
        print(f"rho {rho:g}: at most {slowest:.2f} s of CPU for one choice")


if __name__ == "__main__":
    main(sys.argv[1:])

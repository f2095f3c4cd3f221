"""What an earlier study saves: trainings until the best found is within 2% of the optimum.

The earlier study is of the same space on other data: its accuracies differ by a random effect of each choice.
Its trainings give the points that are tried first (hints), and the model that is one more input.

    python benchmarks/warm_start.py --seeds 20 --result benchmarks/results/warm_start.json
"""

import argparse
import json
import random
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import _problems
from _loop import play
from _problems import Benchmark
from _runs import Run

from orchestrator.solvers import SolverProcess, nomad
from orchestrator.spec.problem import VERSION, Evaluate, Evaluation, Problem, Training
from search_spaces import Point

EARLIER, BUDGET, HINTS = 60, 60, 5  # trainings of the earlier study and of this one; points tried first
NEAR = 1.02  # of the optimum
ARMS = ("cold", "hints", "hints and model")
SHIFTS = {
    "macro-92.5": 0.15,
    "digits-hpo": 0.03,
}  # standard deviation of a choice's effect, in points or errors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--problems", nargs="+", default=list(SHIFTS), choices=list(SHIFTS))
    parser.add_argument("--result", type=Path)
    given = parser.parse_args()
    groups = [compare(name, given.seeds) for name in given.problems]
    for group in groups:
        print(json.dumps({name: value for name, value in group.items() if name != "trainings"}), flush=True)
    if given.result:
        given.result.write_text(json.dumps(groups, indent=1) + "\n")


def compare(name: str, seeds: int) -> dict[str, Any]:
    """Play each arm with each seed. `trainings`: until NEAR; BUDGET + 1 if that was never reached."""
    trainings: dict[str, list[int]] = {arm: [] for arm in ARMS}
    for seed in range(1, seeds + 1):
        here = _problems.load(name)
        trained = play_earlier(shifted(here, SHIFTS[name], seed), seed)
        for arm in ARMS:
            run = play(here, warm_search(here, arm, trained), seed, BUDGET, 1, noise=False)
            trainings[arm].append(first_near(run))
    medians = {arm: statistics.median(found) for arm, found in trainings.items()}
    warm, hints = trainings["hints and model"], trainings["hints"]
    ahead = [sum(a < b for a, b in zip(warm, hints, strict=True)), sum(map(int.__gt__, warm, hints))]
    return {
        "problem": name,
        "seeds": seeds,
        "median": medians,
        "model_earlier_later_than_hints": ahead,
        "trainings": trainings,
    }


def shifted(here: Benchmark, spread: float, seed: int) -> Benchmark:
    """The problem on other data: each value of each variable has an effect of its own on what is sought."""
    effects: dict[tuple[str, object], float] = {}
    rng = random.Random(f"{here.name} {seed}")
    for variable in here.space.variables:
        for value in range(variable.size or 1):
            effects[variable.name, value] = rng.gauss(0, spread)

    def truth(point: Point) -> Evaluation:
        answer = here.truth(point)
        numbers = zip(here.space.variables, here.space.to_numbers(point), strict=True)
        effect = sum(effects.get((v.name, int(number - v.lower)), 0.0) for v, number in numbers if v.size)
        if answer.constraints:
            return replace(answer, constraints=(answer.constraints[0] + effect,))
        return replace(answer, objective=max(answer.objective + effect, 1e-3))

    return replace(here, truth=truth, draw=None)


def play_earlier(there: Benchmark, seed: int) -> list[tuple[Point, Evaluation]]:
    """What an earlier study on other data was told, by its points."""
    told: list[tuple[Point, Evaluation]] = []
    problem = Problem(there.space, there.start, constraints=there.constraints, seed=seed, version=VERSION)
    with SolverProcess("nomad", replace(problem, costs=costs_of(there))) as solver:
        while len(told) < EARLIER and (asks := solver.ask()):
            answers = [there.truth(ask.point) for ask in asks]
            told += zip((ask.point for ask in asks), answers, strict=True)
            solver.tell(answers)
    return told


def costs_of(benchmark: Benchmark) -> Callable[[Any], list[float]] | None:
    if not benchmark.is_free:
        return None
    return lambda points: [benchmark.truth(point).objective for point in points]


def warm_search(
    here: Benchmark, arm: str, told: list[tuple[Point, Evaluation]]
) -> Callable[[Problem, Evaluate], None]:
    """`nomad` with what the arm takes from the earlier study."""
    feasible = sorted((pair for pair in told if pair[1].feasible), key=lambda pair: pair[1].objective)
    hints = tuple(point for point, _ in feasible[:HINTS] if point != here.start)
    trainings = tuple(
        Training(point, 0, -(answer.constraints or (answer.objective,))[0]) for point, answer in told
    )

    def search(problem: Problem, evaluate: Evaluate) -> None:
        known = replace(problem, version=VERSION, costs=costs_of(here))
        warm = replace(known, hints=hints) if arm != "cold" else known
        nomad.search(replace(warm, earlier=trainings) if arm == "hints and model" else warm, evaluate)

    return search


def first_near(run: Run) -> int:
    return next((at for at, value, _ in run.steps if value <= NEAR), BUDGET + 1)


if __name__ == "__main__":
    main()

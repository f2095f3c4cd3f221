"""The search loop in small, for problems that are no networks: a study could not state all of them.

The rules are those of `orchestrator/search/loop.py`. A point of an objective no better than that of the
incumbent is screened, one asked before is a duplicate, a block is cut where the budget ends. Nothing is
confirmed: whole searches of networks with noisy trainings are in `_search.py`. Each search runs the solver's
own `search` in a forked process, since NOMAD keeps random state, and that process ends when the budget does.
"""

import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from _problems import Benchmark
from _runs import Run

from orchestrator.spec.problem import VERSION, Evaluate, Evaluation, Problem
from search_spaces import Point

MOST_UNTRAINED = 500  # in a row, as in orchestrator/search/loop.py
Search = Callable[[Problem, Evaluate], None]


def play(benchmark: Benchmark, search: Search, seed: int, budget: int, block: int, noise: bool) -> Run:
    """One search in a process of its own. With `noise` trainings are noisy."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _played(benchmark, search, seed, budget, block, noise, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        written = answer.read()
    os.waitpid(child, 0)
    return Run(**json.loads(written)) if written else Run(died=True)


def _played(
    benchmark: Benchmark, search: Search, seed: int, budget: int, block: int, noise: bool, writer: int
) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    loop = _Loop(benchmark, seed, budget, noise, writer)
    problem = Problem(
        benchmark.space,
        benchmark.start,
        block,
        benchmark.constraints,
        seed,
        version=VERSION,
        costs=loop.costs if benchmark.is_free else None,
    )
    try:
        search(problem, loop.evaluate)
    except Exception:
        loop.run.died = True
    loop.end()


class _Loop:
    def __init__(self, benchmark: Benchmark, seed: int, budget: int, noise: bool, writer: int) -> None:
        self.run = Run()
        self._benchmark = benchmark
        self._rng = random.Random(f"{benchmark.name} {seed}")
        self._budget = budget
        self._noise = noise
        self._writer = writer
        self._answers: dict[Point, Evaluation] = {}
        self._best = math.inf
        self._untrained_in_a_row = 0
        self._began = time.process_time()

    def evaluate(self, points: list[Point]) -> list[Evaluation]:
        """Answer a block as a study would; the process ends within it when the budget does."""
        trainings = self.run.trainings
        limit = self._best  # of the block's start: its points are trained at once
        answers = [self._answer(point, limit) for point in points]
        trained = self.run.trainings - trainings
        self.run.blocks += trained > 0
        self.run.placed += trained
        self._untrained_in_a_row = 0 if trained else self._untrained_in_a_row + len(points)
        if self._untrained_in_a_row >= MOST_UNTRAINED:
            self.end()
        return answers

    def costs(self, points: Sequence[Point]) -> list[float]:
        """Return the objective of points, which is known before they are trained."""
        return [self._benchmark.truth(point).objective for point in points]

    def end(self) -> None:
        """Write the run down and end the process."""
        self.run.seconds = time.process_time() - self._began
        with os.fdopen(self._writer, "wb") as answer:
            answer.write(json.dumps(asdict(self.run)).encode())
        sys.stdout.flush()
        os._exit(0)

    def _answer(self, point: Point, limit: float) -> Evaluation:
        if point in self._answers:
            self.run.untrained += 1
            return self._answers[point]
        objective = self._benchmark.truth(point).objective
        if self._benchmark.is_free and objective >= limit:
            self.run.untrained += 1
            return Evaluation(objective, (0.0,) * self._benchmark.constraints, screened=True)
        self._answers[point] = answer = self._trained(point)
        return answer

    def _trained(self, point: Point) -> Evaluation:
        answer = self._training(point)
        if answer.feasible and answer.objective < self._best:
            self._best = answer.objective
            truth = self._benchmark.truth(point)  # which is not what a noisy training said
            self.run.steps.append(
                (self.run.trainings, truth.objective / self._benchmark.optimum, truth.feasible)
            )
        return answer

    def _training(self, point: Point) -> Evaluation:
        if self.run.trainings >= self._budget:
            self.end()
        self.run.trainings += 1
        if not self._noise or self._benchmark.draw is None:
            return self._benchmark.truth(point)
        return self._benchmark.draw(point, self._rng)

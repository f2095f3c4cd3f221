"""The search loop in small: what a study does between a solver and its trainings, on known answers.

It is a model of `orchestrator/search/loop.py` and not that loop itself, which takes hundredths of a second
a trial for its record: no rows and no processes of trials, but the same rules. A point of an
objective no better than that of the incumbent is screened, one asked before is a duplicate, a block
is cut where the budget ends. Each search runs the solver's own `search` in a forked process, since
NOMAD keeps random state, and that process ends when the budget does.
"""

import json
import math
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from _problems import Benchmark

from orchestrator.spec.problem import Evaluate, Evaluation, Problem
from search_spaces import Point

MOST_UNTRAINED = 500  # in a row, as in orchestrator/search/loop.py
LEVEL, HOPELESS = 0.98, 0.2  # of a candidate's probability to keep the bound: surely, hardly
LEAST_REPLICATES, MOST_REPLICATES = 2, 6
Search = Callable[[Problem, Evaluate], None]


@dataclass
class Run:
    """What became of one search. Objectives are multiples of the optimum.

    `steps`: [training, best objective named after it] wherever that changed.
    """

    steps: list[tuple[int, float]] = field(default_factory=list)
    trainings: int = 0
    blocks: int = 0  # that had a training in them
    replicates: int = 0  # of the trainings, those that confirmed
    untrained: int = 0
    seconds: float = 0.0  # of processor time
    is_feasible: bool = False  # whether the network named in the end truly keeps the bound
    died: bool = False

    def best(self, trainings: int) -> float:
        """The best objective after so many trainings; infinity where nothing was named."""
        return next((value for at, value in reversed(self.steps) if at <= trainings), math.inf)


def play(benchmark: Benchmark, search: Search, seed: int, budget: int, block: int, confirm: bool) -> Run:
    """One search in a process of its own. With `confirm` trainings are noisy and winners are confirmed."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _played(benchmark, search, seed, budget, block, confirm, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        written = answer.read()
    os.waitpid(child, 0)
    return Run(**json.loads(written)) if written else Run(died=True)


def _played(
    benchmark: Benchmark, search: Search, seed: int, budget: int, block: int, confirm: bool, writer: int
) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    loop = _Loop(benchmark, seed, budget, confirm, writer)
    problem = Problem(benchmark.space, benchmark.start, block, benchmark.constraints, seed)
    try:
        search(problem, loop.evaluate)
    except Exception:
        loop.run.died = True
    loop.end()


class _Loop:
    def __init__(self, benchmark: Benchmark, seed: int, budget: int, confirm: bool, writer: int) -> None:
        self.run = Run()
        self._benchmark = benchmark
        self._rng = random.Random(f"{benchmark.name} {seed}")
        self._budget = budget
        self._confirm = confirm
        self._writer = writer
        self._answers: dict[Point, Evaluation] = {}
        self._named: Point | None = None
        self._best = math.inf
        self._untrained_in_a_row = 0
        self._began = time.process_time()

    def evaluate(self, points: list[Point]) -> list[Evaluation]:
        """Answer a block as a study would; the process ends within it when the budget does."""
        trainings = self.run.trainings
        limit = self._best  # of the block's start: its points are trained at once
        answers = [self._answer(point, limit) for point in points]
        trained = self.run.trainings > trainings
        self.run.blocks += trained
        self._untrained_in_a_row = 0 if trained else self._untrained_in_a_row + len(points)
        if self._untrained_in_a_row >= MOST_UNTRAINED:
            self.end()
        return answers

    def end(self) -> None:
        """Write the run down and end the process."""
        self.run.seconds = time.process_time() - self._began
        self.run.is_feasible = self._named is not None and self._benchmark.truth(self._named).feasible
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
        if self._confirm and answer.constraints and answer.feasible and answer.objective < self._best:
            answer = self._confirmed(point, answer)
        if answer.feasible and answer.objective < self._best:
            self._best, self._named = answer.objective, point
            truth = self._benchmark.truth(point).objective  # which is not what a noisy training said
            self.run.steps.append((self.run.trainings, truth / self._benchmark.optimum))
        return answer

    def _training(self, point: Point) -> Evaluation:
        if self.run.trainings >= self._budget:
            self.end()
        self.run.trainings += 1
        if not self._confirm or self._benchmark.draw is None:
            return self._benchmark.truth(point)
        return self._benchmark.draw(point, self._rng)

    def _confirmed(self, point: Point, first: Evaluation) -> Evaluation:
        """The mean of replicates, trained until the bound is surely kept or hardly.

        The training that made the point a candidate is left out: it was chosen for being good.
        """
        missed: list[float] = []
        while True:
            missed.append(self._training(point).constraints[0])
            self.run.replicates += 1
            mean = sum(missed) / len(missed)
            sure = _normal(-mean * math.sqrt(len(missed)) / self._benchmark.noise)
            if sure >= LEVEL and len(missed) >= LEAST_REPLICATES:
                return Evaluation(first.objective, (mean,))
            if sure <= HOPELESS or len(missed) >= MOST_REPLICATES:
                return Evaluation(first.objective, (max(mean, 1e-3 * self._benchmark.noise),))


def _normal(value: float) -> float:
    return 0.5 * (1 + math.erf(value / math.sqrt(2)))

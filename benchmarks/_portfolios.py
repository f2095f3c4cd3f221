"""Two solvers that share their answers and take turns: `nomad` and a partner, a block each."""

import random
from collections.abc import Callable, Iterator

import optuna

from orchestrator.solvers import _optuna, local, nomad
from orchestrator.solvers._history import AnswerHistory
from orchestrator.spec.problem import Evaluate, Evaluation, Problem
from search_spaces import Point

Partner = Callable[[Problem, AnswerHistory], Iterator[Point]]  # new points, given all answers at hand
Search = Callable[[Problem, Evaluate], None]


def with_partner(partner: Partner) -> Search:
    """`nomad`, each block of which is followed by one of the partner's. Each hears all answers."""

    def search(problem: Problem, evaluate: Evaluate) -> None:
        class Alternating(AnswerHistory):
            def __init__(self, problem: Problem, evaluate: Evaluate) -> None:
                super().__init__(problem, evaluate)
                self._partners = partner(problem, self)

            def ask(self, points: list[Point]) -> None:
                new = [point for point in dict.fromkeys(points) if point not in self]
                for first in range(0, len(new), problem.batch_size):
                    super().ask(new[first : first + problem.batch_size])
                    super().ask([next(self._partners) for _ in range(problem.batch_size)])

        vars(nomad)["AnswerHistory"] = Alternating  # in a process of its own
        nomad.search(problem, evaluate)

    return search


def locals_points(problem: Problem, answers: AnswerHistory) -> Iterator[Point]:
    """Changes of the best point in one variable, the widest reach first, as `local` asks."""
    rng = random.Random(problem.seed)
    given: set[Point] = set()
    while True:
        best = answers.best()
        near = (list(local._neighbours(problem.space, best, reach)) for reach in local.REACHES)
        new = ([p for p in points if p not in answers and p not in given] for points in near)
        choice = next((points for points in new if points), None)
        [point] = [rng.choice(choice)] if choice else local._kick(problem.space, answers, rng)
        given.add(point)
        yield point


def tpes_points(problem: Problem, answers: AnswerHistory) -> Iterator[Point]:
    """What Optuna's estimator finds promising, which is told every answer."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=problem.seed, multivariate=True, constant_liar=True)
    proposals = _optuna._Proposals(problem, sampler, _optuna.DRAWS)
    trials: dict[Point, optuna.Trial] = {}
    told: dict[Point, Evaluation] = {}
    while True:
        for point in [point for point in answers if point not in told]:
            trial = trials.pop(point, None) or proposals.enqueue(point)[1]
            told[point] = answers[point]
            proposals.tell(trial, told[point])
        proposal = proposals.draw_new()
        assert proposal is not None, "every point was asked"
        point, trials[point] = proposal
        yield point

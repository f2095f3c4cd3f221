"""Optuna's samplers as solvers that are asked for points, none of which comes twice.

A sampler draws again what it has drawn before, and telling it one answer twice would make it trust
that answer twice; so such a trial is told as failed, which its model does not read, and another is
drawn. Failed points teach it nothing beyond that.
"""

import random

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState

from orchestrator.spec.problem import Evaluate, Evaluation, Problem
from search_spaces import Choice, Integer, Point, Value, Variable

_PATIENCE = 50


def search(problem: Problem, evaluate: Evaluate, sampler: BaseSampler, draws: int) -> None:
    """Ask about the opening, then about what the sampler finds promising, until all points were asked.

    After `draws` points in a row that were asked before, a random one is taken instead; after the first where
    the last _PATIENCE answers were all screened, since a sampler that is stuck takes longer with each draw.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    proposals = _Proposals(problem, sampler, draws)
    opening = list(problem.opening)
    while batch := _batch(opening, proposals, problem.batch_size):
        evaluations = evaluate([point for point, _ in batch])
        for (_, trial), evaluation in zip(batch, evaluations, strict=True):
            proposals.tell(trial, evaluation)


def _batch(opening: list[Point], proposals: "_Proposals", size: int) -> list[tuple[Point, Trial]]:
    """As many points as may be, first those left of the opening, which are taken from it; none at the end."""
    batch: list[tuple[Point, Trial]] = []
    while opening and len(batch) < size:
        batch.append(proposals.enqueued(opening.pop(0)))
    while len(batch) < size and not proposals.exhausted:
        batch.append(proposals.unasked())
    return batch


class _Proposals:
    """An Optuna study as a source of points, none of which comes twice."""

    def __init__(self, problem: Problem, sampler: BaseSampler, draws: int) -> None:
        self._draws = draws
        self._space = problem.space
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * problem.objectives)
        self._rng = random.Random(problem.seed)
        self._distributions = {v.name: _distribution(v) for v in problem.space.variables}
        self._asked: set[Point] = set()
        self._screened = 0  # answers in a row, the last of them included

    @property
    def exhausted(self) -> bool:
        """Whether every point of a finite space has been asked."""
        return len(self._asked) == self._space.size

    def unasked(self) -> tuple[Point, Trial]:
        """The sampler's next point that is new, or a random one where it keeps to what it knows."""
        for _ in range(self._draws if self._screened < _PATIENCE else 1):
            point, trial = self._draw()
            if point not in self._asked:
                self._asked.add(point)
                return point, trial
            self._study.tell(trial, state=TrialState.FAIL)  # which its model does not read
        while (point := self._space.sample(self._rng)) in self._asked:
            pass
        return self.enqueued(point)

    def enqueued(self, point: Point) -> tuple[Point, Trial]:
        """A trial of this point."""
        drawn = {v.name: _to_optuna(v, point[v.name]) for v in self._space.variables}
        self._study.enqueue_trial(drawn)
        self._asked.add(point)
        return point, self._draw()[1]

    def tell(self, trial: Trial, evaluation: Evaluation) -> None:
        """Answer one trial."""
        self._screened = self._screened + 1 if evaluation.screened else 0
        if evaluation.failed:
            self._study.tell(trial, state=TrialState.FAIL)
            return
        for index, constraint in enumerate(evaluation.constraints):
            trial.set_constraint(f"constraint_{index}", constraint)
        self._study.tell(trial, [evaluation.objective, *evaluation.others])

    def _draw(self) -> tuple[Point, Trial]:
        trial = self._study.ask(self._distributions)
        values = {v.name: _from_optuna(v, trial.params[v.name]) for v in self._space.variables}
        return self._space.point(values), trial


def _distribution(variable: Variable) -> BaseDistribution:
    """What Optuna draws: a number as itself, and an index on a grid or in a list."""
    if isinstance(variable, Integer):
        return IntDistribution(variable.low, variable.high, log=variable.log)
    if isinstance(variable, Choice) and not variable.ordered:
        return CategoricalDistribution(range(variable.size))
    if variable.integer:
        return IntDistribution(int(variable.lower), int(variable.upper))
    assert not isinstance(variable, Choice)
    return FloatDistribution(variable.low, variable.high, log=variable.log)


def _to_optuna(variable: Variable, value: Value) -> Value:
    if isinstance(variable, Integer) or not variable.integer:
        return value
    return int(variable.to_number(value))


def _from_optuna(variable: Variable, drawn: float) -> Value:
    if isinstance(variable, Integer) or not variable.integer:
        return drawn
    return variable.from_number(drawn)

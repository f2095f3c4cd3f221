"""Optuna's samplers as solvers that propose no point twice.

A sampler may draw a point again, and would trust an answer more if told twice. So such a trial is told as
failed, which the sampler's model does not read, and another is drawn. Failed points are told in the same way.
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

from orchestrator.solvers._history import Screen, draw_new
from orchestrator.spec.problem import Evaluate, Evaluation, Problem
from search_spaces import Choice, Integer, Point, Value, Variable

DRAWS = 20  # of points asked before, until a random point is taken instead
_PATIENCE = 50


def search(problem: Problem, evaluate: Evaluate, sampler: BaseSampler, draws: int = DRAWS) -> None:
    """Ask about the opening, then about what the sampler finds promising, until all points were asked.

    After `draws` points in a row that were asked before, a random one is taken instead. If the last _PATIENCE
    answers were all screened, one is enough, since a sampler that is stuck takes longer with each draw.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    proposals = _Proposals(problem, sampler, draws)
    opening = list(problem.opening)
    while True:
        batch: list[tuple[Point, Trial]] = []
        while len(batch) < problem.batch_size and (opening or not proposals.exhausted):
            proposal = proposals.enqueue(opening.pop(0)) if opening else proposals.draw_new()
            batch += [proposal] if proposal else []
        if not batch:
            return
        evaluations = evaluate([point for point, _ in batch])
        proposals.screen.learn(evaluations)
        for (_, trial), evaluation in zip(batch, evaluations, strict=True):
            proposals.tell(trial, evaluation)


class _Proposals:
    """An Optuna study that proposes no point twice."""

    def __init__(self, problem: Problem, sampler: BaseSampler, draws: int) -> None:
        self.screen = Screen(problem)
        self.exhausted = False  # whether no point is left to ask about
        self._draws = draws
        self._space = problem.space
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * problem.objectives)
        self._rng = random.Random(problem.seed)
        self._distributions = {v.name: _distribution(v) for v in problem.space.variables}
        self._asked: set[Point] = set()
        self._screened = 0  # answers in a row, the last of them included

    def draw_new(self) -> tuple[Point, Trial] | None:
        """Return the sampler's next new point, or a random one if it draws only known or skipped ones.

        None if no point is left.
        """
        for _ in range(self._draws if self._screened < _PATIENCE else 1):
            point, trial = self._draw()
            if point not in self._asked and self.screen.passing([point]):
                return self._ask(point, trial)
            self._study.tell(trial, state=TrialState.FAIL)  # which its model does not read
        drawn = draw_new(self._space, self._rng, self._asked, self.screen)
        self.exhausted = drawn is None
        return None if drawn is None else self.enqueue(drawn)

    def enqueue(self, point: Point) -> tuple[Point, Trial]:
        """Return a trial of this point."""
        drawn = {v.name: _to_optuna(v, point[v.name]) for v in self._space.variables}
        self._study.enqueue_trial(drawn)
        return self._ask(point, self._draw()[1])

    def tell(self, trial: Trial, evaluation: Evaluation) -> None:
        """Answer one trial."""
        self._screened = self._screened + 1 if evaluation.screened else 0
        if evaluation.failed:
            self._study.tell(trial, state=TrialState.FAIL)
            return
        for index, constraint in enumerate(evaluation.constraints):
            trial.set_constraint(f"constraint_{index}", constraint)
        self._study.tell(trial, [evaluation.objective, *evaluation.others])

    def _ask(self, point: Point, trial: Trial) -> tuple[Point, Trial]:
        self._asked.add(point)
        self.exhausted = len(self._asked) == self._space.size
        return point, trial

    def _draw(self) -> tuple[Point, Trial]:
        trial = self._study.ask(self._distributions)
        values = {v.name: _from_optuna(v, trial.params[v.name]) for v in self._space.variables}
        return self._space.point(values), trial


def _distribution(variable: Variable) -> BaseDistribution:
    """Return what Optuna draws: a number as itself, and an index on a grid or in a list."""
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

"""NOMAD's two steps where the problem has a goal: the model of accuracy searches, and plans replicates."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from orchestrator.solvers._accuracy_model import AccuracyModel, fit_accuracy
from orchestrator.solvers._acquisition import SMALL, AcquisitionCandidates
from orchestrator.solvers._earlier import model_features
from orchestrator.solvers._gaussian_process import Array
from orchestrator.solvers._history import STARTS_TRIED, AnswerHistory, draw_new
from orchestrator.solvers._next_trainings import (
    choose_next,
    expected_saving,
    find_named,
    star_design,
)
from orchestrator.spec.problem import AccuracyGoal, Ask, Evaluate, EvaluateAsks, Evaluation, Problem, Training
from search_spaces import Point

DRAWN, REACH = 150, 0.1  # points of a space that is too large to look at as a whole; around the best
SEARCHED_PER_POLLED = 8  # as in nomad.py
LEAST_POLLED = 0.05  # the probability to be as accurate below which a polled point is not trained


class ModelAnswers(AnswerHistory):
    """The trainings so far. An answer has what the model believes, and not what one training said.

    named: the point that would be named now; None if no network is surely as accurate
    """

    def __init__(self, problem: Problem, goal: AccuracyGoal, evaluate: EvaluateAsks) -> None:
        super().__init__(problem, cast(Evaluate, evaluate))
        self.trainings = list(goal.trainings)
        self._train = evaluate
        self.named: Point | None = None
        self.is_over = False
        self._goal = goal
        self.beats_base = goal.base is not None and (
            problem.allowed is None or problem.allowed([goal.base])[0]
        )
        self._features = model_features(problem)
        self._model: AccuracyModel | None = None
        for training in goal.trainings:
            if training.score is None:
                self[training.point] = Evaluation.failure()
            elif training.point not in self:
                [cost] = self.costs([training.point])
                self[training.point] = Evaluation(float(cost), (0.0,) * problem.constraints)
        self._believe()

    @property
    def base(self) -> list[Point]:
        """The base network; none if the required accuracy is exact."""
        return [] if self._goal.base is None else [self._goal.base]

    @property
    def exhausted(self) -> bool:
        return self.is_over

    @property
    def has_model(self) -> bool:
        """Whether a training has succeeded."""
        return self._model is not None

    @property
    def model(self) -> AccuracyModel:
        """The model of all trainings."""
        assert self._model is not None, "nothing was trained"
        return self._model

    def is_screened(self, point: Point) -> bool:
        """Whether a point was answered without a training."""
        return point in self and self[point].screened

    def costs(self, points: Sequence[Point]) -> Array:
        """Return the objective of points, which is known without training."""
        return np.array(self.screen.costs(points))

    def best(self) -> Point:
        return self.named or super().best()

    def front(self) -> list[Point]:
        return [self.best()]

    def ask(self, points: Sequence[Point | Ask]) -> None:
        """Ask for trainings, a block at a time."""
        asks = [point if isinstance(point, Ask) else Ask(point) for point in points]
        new = [ask for ask in asks if ask.replicate or ask.point not in self]
        for first in range(0, len(new), self._problem.batch_size):
            block = new[first : first + self._problem.batch_size]
            for ask, answer in zip(block, self._train(block), strict=True):
                if not ask.replicate:
                    self[ask.point] = answer
                if not answer.screened:
                    score = None if answer.failed else self._goal.bound - answer.constraints[0]
                    self.trainings.append(Training(ask.point, ask.replicate, score))
            self._believe()

    def _believe(self) -> None:
        """Fit the model, and put what it believes in the place of what single trainings said."""
        if not any(training.score is not None for training in self.trainings):
            return
        self._model = fit_accuracy(self.trainings, self._goal, self._features)
        trained = [point for point, answer in self.items() if not (answer.failed or answer.screened)]
        means, _ = self._model.judge(trained)
        for point, mean in zip(trained, means, strict=True):
            limits = self[point].constraints[1:]
            self[point] = Evaluation(self[point].objective, (-float(mean), *limits))
        allowed = [p for p in trained if all(excess <= 0 for excess in self[p].constraints[1:])]
        self.named = find_named(self._model, allowed, self.costs(allowed))


class ModelSteps:
    """The search and the poll of one problem with a goal, as `MadsSteps` has them for others."""

    def __init__(self, problem: Problem, answers: ModelAnswers, rng: random.Random) -> None:
        self.answers = answers
        self._problem, self._rng = problem, rng
        self._searched = self._polled = 0  # trainings
        is_small = problem.space.size is not None and problem.space.size <= SMALL
        self._all = list(problem.space) if is_small else []
        self._sample = AcquisitionCandidates(problem.space)

    def begin(self) -> None:
        """Ask about the start, if it is not known, the hints, and a star around the start, in full blocks.

        There is no star after a restart, which knows the trainings before it.

        Ask about points at random as long as no training succeeds: others may all be over a limit. Raises
        RuntimeError if none of them does.
        """
        opening, is_restarted = list(self._problem.opening), set(self.answers) > set(self.answers.base)
        if not is_restarted:
            opening += star_design(self._problem.space, self._problem.start)
        new = [point for point in dict.fromkeys(opening) if point not in self.answers]
        asks = [Ask(point, 0, {"kind": "design"}) for point in new]
        spare = -len(asks) % self._problem.batch_size
        if self.answers.has_model:
            believed = self.answers.model.belief
            asks = [replace(ask, belief=believed(ask.point) | {"kind": "design"}) for ask in asks]
            asks += choose_next(self.answers.model, *self._compare(), spare, asks, self.answers.beats_base)
        else:
            asks += [Ask(self._problem.space.sample(self._rng)) for _ in range(spare)]
        self.answers.ask(asks)
        tried = 0
        while not self.answers.has_model and tried < STARTS_TRIED:
            drawn = list[Point]()
            while len(drawn) < min(self._problem.batch_size, STARTS_TRIED - tried):
                known = {*self.answers, *drawn}
                point = draw_new(self._problem.space, self._rng, known, self.answers.screen)
                if point is None:
                    break
                drawn.append(point)
            if not drawn:
                break
            self.answers.ask(drawn)
            tried += len(drawn)
        if not self.answers.has_model:
            raise RuntimeError(
                f"the start and {len(self.answers) - 1} other points all failed; the trials' logs say why; "
                "start from a point that is known to work"
            )

    def poll(self, points: Sequence[Point]) -> bool:
        """Ask about those of the points that may be better, until another network would be named.

        Return whether one would be, by these points or by those searched in between.
        """
        named = self.answers.named
        while queue := self._find_worthy(points):
            self._ask(queue)
            if self.answers.named != named:
                return True
            if self.answers.exhausted:
                break
        return False

    def search(self) -> None:
        """Ask for a block of trainings that the model chooses."""
        self._ask([])

    def category_neighbours(self, point: Point) -> list[Point]:
        """Return no points: a problem with a goal has no categories."""
        return []

    def _find_worthy(self, points: Sequence[Point]) -> list[Point]:
        """Return the new points that cost less than the named network or the base, the likeliest first."""
        new = self.answers.due(points)
        if not new:
            return []
        likely = self.answers.model.probabilities(new)
        worth = likely >= LEAST_POLLED
        base = self.answers.base if self.answers.beats_base else []
        beaten = base if self.answers.named is None else [self.answers.named]
        for point in beaten:
            worth &= self.answers.costs(new) < self.answers.costs([point])
        return [new[index] for index in np.argsort(-likely, kind="stable") if worth[index]]

    def _ask(self, queue: Sequence[Point]) -> None:
        """Ask for one block, with trainings of both steps in their proportion; end where none is left."""
        size, asks = self._problem.batch_size, list[Ask]()
        searched, polled = self._searched, self._polled
        for _ in range(size):
            if polled - self._polled < len(queue) and searched >= SEARCHED_PER_POLLED * (polled + 1):
                point = queue[polled - self._polled]
                asks.append(Ask(point, 0, self.answers.model.belief(point) | {"kind": "poll"}))
                polled += 1
            else:
                searched += 1
        candidates, costs = self._compare()
        model, beats_base = self.answers.model, self.answers.beats_base
        asks += choose_next(model, candidates, costs, size - len(asks), asks, beats_base)
        saving = {"expected_saving": expected_saving(model, candidates, costs, beats_base=beats_base)}
        asks = [replace(ask, belief={**(ask.belief or {}), **saving}) for ask in asks]
        self._polled, self._searched = polled, searched
        if asks:
            self.answers.ask(asks)
        else:
            self.answers.is_over = True

    def _compare(self) -> tuple[list[Point], Array]:
        """Return the points among which the model chooses, and their costs [n]."""
        candidates = self.answers.screen.passing(self._all or self._draw())
        # some were answered without a training: the start over a limit, what the search has skipped
        candidates = [point for point in candidates if not self.answers.is_screened(point)]
        # the base, which a candidate must be smaller than, may itself be over a limit
        candidates = list(dict.fromkeys([*candidates, *self.answers.base]))
        return candidates, self.answers.costs(candidates)

    def _draw(self) -> list[Point]:
        """Return points of a large space: those known, and others all over it and around the best."""
        known = list(self.answers)
        drawn = [self._problem.space.sample(self._rng) for _ in range(DRAWN)]
        near = self._sample.near([self.answers.best()], REACH, self._rng)
        return list(dict.fromkeys([*known, *drawn, *near]))

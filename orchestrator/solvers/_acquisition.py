"""The points among which a surrogate looks for its best: all points of a small space, otherwise a sample.

A new sample is drawn each time: over the whole space, around the best points known, and then around the best
of the sample, nearer in each round.
"""

import itertools
import math
import random
from collections.abc import Callable, Sequence
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from orchestrator.solvers._earlier import fit_earlier
from orchestrator.solvers._gaussian_process import Array
from orchestrator.solvers._history import LISTED, AnswerHistory
from orchestrator.spec.problem import Problem
from search_spaces import Choice, Integer, Point, Space, Variable

SMALL = LISTED  # points, up to which a space is searched as a whole
SHORTLIST = 64  # points of most merit, which are looked up at a time
DRAWN, ROUNDS, NEAR = 600, (0.1, 0.03, 0.01, 0.003), 150  # points; reaches of the rounds; points a round
CENTRES = 5  # points around which a round samples

Merits = Callable[[Array], Array]  # of rows of features [n, columns]


def is_category(variable: Variable) -> TypeGuard[Choice]:
    """Return whether the variable's values have no order."""
    return isinstance(variable, Choice) and not variable.ordered


class AcquisitionCandidates:
    """Points of one space as rows of numbers: ranges as [0, 1], a category as a column a value."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._free = [index for index, variable in enumerate(space.variables) if variable.size != 1]
        free = [space.variables[index] for index in self._free]
        widths = [variable.size if is_category(variable) else 1 for variable in free]
        self.groups: NDArray[np.intp] = np.repeat(np.arange(len(widths)), widths)
        self._lower = np.array([variable.lower for variable in space.variables])
        self._range = np.array([max(v.upper - v.lower, 1e-300) for v in space.variables])
        self._expect: Callable[[Array], Array] | None = None
        self._all = list(space) if space.size is not None and space.size <= SMALL else []
        self._all_features = self.features(self._all) if self._all else None

    def add_earlier(self, problem: Problem) -> None:
        """Add what the model of an earlier study expects as one more column, if it tells anything."""
        self._expect = fit_earlier(problem, self.features, self.groups)
        if self._expect is not None:
            self.groups = np.append(self.groups, self.groups.max(initial=-1) + 1)
            self._all_features = self.features(self._all) if self._all else None

    def features(self, points: Sequence[Point]) -> Array:
        """Return rows [n, columns] of points."""
        return self._rows(self._numbers(points))

    def find_best(
        self,
        merits: Merits,
        around: Sequence[Point],
        rng: random.Random,
        taken: set[Point],
        answers: AnswerHistory,
    ) -> Point | None:
        """Return the point of most merit that is neither taken, answered nor skipped; None if all are."""
        if self._all_features is not None:
            order = np.argsort(-merits(self._all_features), kind="stable")
            points = (self._all[index] for index in order)
        else:
            numbers, values = self._sample(merits, around, rng)
            points = (self._space.from_numbers(numbers[i]) for i in np.argsort(-values, kind="stable"))
        new = (point for point in points if point not in taken and point not in answers)
        if not answers.screen.is_used:
            return next(new, None)
        while shortlist := list(itertools.islice(new, SHORTLIST)):
            if due := answers.due(shortlist):
                return due[0]
        return None

    def _sample(self, merits: Merits, around: Sequence[Point], rng: random.Random) -> tuple[Array, Array]:
        """Return numbers [m, variables] of a sample, and their merits [m]."""
        generator = np.random.default_rng(rng.getrandbits(63))
        first = self._numbers(around)
        drawn = self._numbers([self._space.sample(rng) for _ in range(DRAWN)])
        numbers = np.concatenate([drawn, self._near(first, 0.1, generator)])
        values = merits(self._rows(numbers))
        for reach in ROUNDS:
            top = numbers[np.argsort(-values, kind="stable")[:CENTRES]]
            near = self._near(np.concatenate([top, first]), reach, generator)
            numbers = np.concatenate([numbers, near])
            values = np.concatenate([values, merits(self._rows(near))])
        return numbers, values

    def near(self, around: Sequence[Point], reach: float, rng: random.Random) -> list[Point]:
        """Return points around some, as far as `reach`, a fraction of a variable's range."""
        generator = np.random.default_rng(rng.getrandbits(63))
        return [self._space.from_numbers(one) for one in self._near(self._numbers(around), reach, generator)]

    def _near(self, centres: Array, reach: float, generator: np.random.Generator) -> Array:
        """Return points [m, variables] around centres [n, variables], with about two variables changed."""
        near = np.repeat(centres, math.ceil(NEAR / len(centres)), axis=0)
        for index in self._free:
            variable = self._space.variables[index]
            changed = generator.random(len(near)) < max(2 / len(self._free), 0.3)
            if is_category(variable):
                moved = generator.integers(0, variable.size, len(near)).astype(float)
            else:
                moved = near[:, index] + generator.normal(0, reach * self._range[index], len(near))
                if variable.integer:
                    by = moved - near[:, index]
                    moved = np.where(np.abs(by) < 1, near[:, index] + np.sign(by), np.round(moved))
            near[:, index] = np.where(changed, np.clip(moved, variable.lower, variable.upper), near[:, index])
        return near

    def _numbers(self, points: Sequence[Point]) -> Array:
        """Return numbers [n, variables] of points. Those may be thousands, so they are not checked again."""
        columns = [[v.to_number(point[v.name]) for point in points] for v in self._space.variables]
        return np.array(columns).T

    def _rows(self, numbers: Array) -> Array:
        columns = []
        for index in self._free:
            variable, column = self._space.variables[index], numbers[:, index]
            if is_category(variable):
                columns += [(column == value).astype(float) for value in range(variable.size)]
            elif isinstance(variable, Integer) and variable.log:
                columns.append(np.log(column / variable.low) / math.log(variable.high / variable.low))
            else:
                columns.append((column - self._lower[index]) / self._range[index])
        rows = np.stack(columns, axis=1)
        return rows if self._expect is None else np.column_stack([rows, self._expect(rows)])

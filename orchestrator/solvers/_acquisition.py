"""The points among which a surrogate looks for its best: all of a small space, otherwise a sample.

The sample is drawn anew for every question: over the whole space, around the best points known, and
then around the best of the sample, nearer each time.
"""

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.solvers._gaussian_process import Array
from orchestrator.solvers._history import AnswerHistory
from search_spaces import Choice, Integer, Point, Space

SMALL = 8192  # points, up to which a space is looked through as a whole
DRAWN, ROUNDS, NEAR = 600, (0.1, 0.03, 0.01, 0.003), 150  # points; reaches of the rounds; points a round
CENTRES = 5  # points that a round looks around

Merits = Callable[[Array], Array]


class AcquisitionCandidates:
    """Points of one space as rows of numbers: ranges as [0, 1], a category as a column a value."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._free = [index for index, variable in enumerate(space.variables) if variable.size != 1]
        widths = [_width(space, index) for index in self._free]
        self.groups: NDArray[np.intp] = np.repeat(np.arange(len(widths)), widths)
        self._lower = np.array([variable.lower for variable in space.variables])
        self._range = np.array([max(v.upper - v.lower, 1e-300) for v in space.variables])
        self._all = list(space) if space.size is not None and space.size <= SMALL else []
        self._all_features = self.features(self._all) if self._all else None

    def features(self, points: Sequence[Point]) -> Array:
        """Rows [n, columns] of points."""
        return self._rows(self._numbers(points))

    def best(
        self,
        merits: Merits,
        around: Sequence[Point],
        rng: random.Random,
        taken: set[Point],
        answers: AnswerHistory,
    ) -> Point | None:
        """The point of most merit that is neither taken nor answered; None where all are."""
        if self._all_features is not None:
            order = np.argsort(-merits(self._all_features), kind="stable")
            points = (self._all[index] for index in order)
            return next((p for p in points if p not in taken and p not in answers), None)
        numbers, values = self._sampled(merits, around, rng)
        points = (self._space.from_numbers(numbers[i]) for i in np.argsort(-values, kind="stable"))
        return next((p for p in points if p not in taken and p not in answers), None)

    def _sampled(self, merits: Merits, around: Sequence[Point], rng: random.Random) -> tuple[Array, Array]:
        """Numbers [m, variables] of the sample, and their merits [m]."""
        generator = np.random.default_rng(rng.getrandbits(63))
        first = self._numbers(around)
        drawn = self._numbers([self._space.sample(rng) for _ in range(DRAWN)])
        numbers = np.concatenate([drawn, self._near(first, 0.1, generator)])
        values = merits(self._rows(numbers))
        for reach in ROUNDS:
            top = numbers[np.argsort(-values, kind="stable")[:CENTRES]]
            near = self._near(np.concatenate([top, first]), reach, generator)
            numbers, values = (
                np.concatenate([numbers, near]),
                np.concatenate([values, merits(self._rows(near))]),
            )
        return numbers, values

    def _near(self, centres: Array, reach: float, generator: np.random.Generator) -> Array:
        """Points [m, variables] around centres [n, variables]: about two variables of each changed."""
        near = np.repeat(centres, math.ceil(NEAR / len(centres)), axis=0)
        for index in self._free:
            variable = self._space.variables[index]
            changed = generator.random(len(near)) < max(2 / len(self._free), 0.3)
            if isinstance(variable, Choice) and not variable.ordered:
                moved = generator.integers(0, variable.size, len(near)).astype(float)
            else:
                moved = near[:, index] + generator.normal(0, reach * self._range[index], len(near))
                if variable.integer:
                    step = np.sign(moved - near[:, index])
                    moved = np.where(
                        np.abs(moved - near[:, index]) < 1, near[:, index] + step, np.round(moved)
                    )
            near[:, index] = np.where(changed, np.clip(moved, variable.lower, variable.upper), near[:, index])
        return near

    def _numbers(self, points: Sequence[Point]) -> Array:
        """Numbers [n, variables] of points of the space, which are not checked again: they are thousands."""
        columns = [[v.to_number(point[v.name]) for point in points] for v in self._space.variables]
        return np.array(columns).T

    def _rows(self, numbers: Array) -> Array:
        columns = []
        for index in self._free:
            variable, column = self._space.variables[index], numbers[:, index]
            if isinstance(variable, Choice) and not variable.ordered:
                columns += [(column == value).astype(float) for value in range(variable.size)]
            elif isinstance(variable, Integer) and variable.log:
                columns.append(np.log(column / variable.low) / math.log(variable.high / variable.low))
            else:
                columns.append((column - self._lower[index]) / self._range[index])
        return np.stack(columns, axis=1)


def _width(space: Space, index: int) -> int:
    variable = space.variables[index]
    return variable.size if isinstance(variable, Choice) and not variable.ordered else 1

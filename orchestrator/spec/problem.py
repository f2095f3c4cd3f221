"""What a solver is asked, and what it hears.

A solver minimises the objective over points whose constraints are all 0 or less; where there are
several objectives it looks for the points that no other one betters in all (the Pareto front). A
failed evaluation has no numbers: a solver must live with that, and must not take it for a bad value.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces import Point, Space

LARGEST_SEED = 2**31 - 1  # what every solver's library takes


@dataclass(frozen=True)
class Evaluation:
    """A point's answer: a finite objective and constraints, or the word that it failed.

    `screened`: given without evaluating, and so half known. Where it is feasible the objective is true,
    and no better than one already found, and the constraints are stand-ins; where it is not, the other
    way round, but for a constraint of exactly 0, which is a stand-in as well.
    `others`: the objectives after the first, minimised as well.
    """

    objective: float
    constraints: tuple[float, ...] = ()
    failed: bool = False
    screened: bool = False
    others: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "constraints", tuple(self.constraints))
        object.__setattr__(self, "others", tuple(self.others))
        numbers = (self.objective, *self.constraints, *self.others)
        if not self.failed and not all(math.isfinite(number) for number in numbers):
            raise ValueError(
                f"{self} is not finite; answer a point without numbers with Evaluation.failure()"
            )

    @classmethod
    def failure(cls) -> "Evaluation":
        """The answer for a point that gave no numbers."""
        return cls(objective=math.inf, failed=True)

    @property
    def feasible(self) -> bool:
        """Whether the point succeeded and every constraint holds."""
        return not self.failed and all(constraint <= 0 for constraint in self.constraints)

    def columns(self) -> dict[str, Any]:
        """What a trial's row says of it; nothing where it failed."""
        if self.failed:
            return {}
        others = {"other_objectives": list(self.others)} if self.others else {}
        return {"objective": self.objective, "constraints": list(self.constraints), **others}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; floats come back exactly."""
        if self.failed:
            return {"failed": True}
        written: dict[str, Any] = {"objective": self.objective, "constraints": list(self.constraints)}
        rare = {"screened": self.screened, "others": list(self.others)}
        return written | {name: value for name, value in rare.items() if value}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Evaluation":
        """What `to_json` wrote."""
        if written.get("failed"):
            return cls.failure()
        screened = written.get("screened", False)
        others = tuple(written.get("others", ()))
        return cls(written["objective"], tuple(written["constraints"]), screened=screened, others=others)


@dataclass(frozen=True)
class Problem:
    """A question for a solver. `start` is the first point it asks about, and `hints` are the next ones.

    Raises:
        ValueError: the start or a hint is not in the space, or a number is out of range.
    """

    space: Space
    start: Point
    batch_size: int = 1  # the most points a solver may ask about at once
    constraints: int = 0  # how many constraints an evaluation has
    seed: int = 0
    objectives: int = 1  # how many an evaluation has, all minimised
    hints: tuple[Point, ...] = ()  # points that were good in an earlier study

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", self.space.point(self.start))
        object.__setattr__(self, "hints", tuple(self.space.point(hint) for hint in self.hints))
        if self.batch_size < 1:
            raise ValueError(f"batch_size {self.batch_size} leaves nothing to ask; give at least 1")
        if self.constraints < 0:
            raise ValueError(f"{self.constraints} is no number of constraints; give 0 or more")
        if self.objectives < 1:
            raise ValueError(f"{self.objectives} objectives leave nothing to minimise; give at least 1")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed {self.seed} is out of range; give 0 to {LARGEST_SEED}")

    @property
    def opening(self) -> tuple[Point, ...]:
        """What a solver asks about first: the start and then the hints, each point once."""
        return tuple(dict.fromkeys((self.start, *self.hints)))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, which also serves as the study's statement of the question."""
        return {
            "space": self.space.to_json(),
            "start": dict(self.start),
            "batch_size": self.batch_size,
            "constraints": self.constraints,
            "seed": self.seed,
            "objectives": self.objectives,
            "hints": [dict(hint) for hint in self.hints],
        }

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Problem":
        """What `to_json` wrote."""
        space = Space.from_json(written["space"])
        return cls(
            space=space,
            start=space.point(written["start"]),
            batch_size=written["batch_size"],
            constraints=written["constraints"],
            seed=written["seed"],
            objectives=written.get("objectives", 1),
            hints=tuple(space.point(hint) for hint in written.get("hints", ())),
        )


Evaluate = Callable[[list[Point]], list[Evaluation]]

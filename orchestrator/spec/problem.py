"""The problem that a solver is given, and the answers it gets.

A solver minimises the objective over points whose constraints are all 0 or less. With several objectives it
looks for the Pareto front: the points that no other point beats in all objectives. A failed evaluation has
no numbers; a solver must handle that, and must not treat it as a bad value.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from search_spaces import Point, Space

LARGEST_SEED = 2**31 - 1  # what every solver's library takes
VERSION = 2  # of what solvers propose, in a study's settings; studies without it go on by version 1


@dataclass(frozen=True)
class Evaluation:
    """The answer to a point: a finite objective and constraints, or that it failed.

    `screened`: answered without training, so only half of it is known. If it is feasible, the objective is
    true (and not better than one already found) and the constraints are placeholders. If it is not, the
    constraints are true and the objective is a placeholder; a constraint of exactly 0 is one as well.
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
    def failure(cls, screened: bool = False) -> "Evaluation":
        """Return the answer for a point whose training failed, or that failed before it was trained."""
        return cls(objective=math.inf, failed=True, screened=screened)

    @property
    def feasible(self) -> bool:
        """Whether the point succeeded and meets every constraint."""
        return not self.failed and all(constraint <= 0 for constraint in self.constraints)

    def columns(self) -> dict[str, Any]:
        """Return the columns of a trial's row; empty if it failed."""
        if self.failed:
            return {}
        others = {"other_objectives": list(self.others)} if self.others else {}
        return {"objective": self.objective, "constraints": list(self.constraints), **others}

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; floats are kept exactly."""
        if self.failed:
            return {"failed": True, **({"screened": True} if self.screened else {})}
        written: dict[str, Any] = {"objective": self.objective, "constraints": list(self.constraints)}
        rare = {"screened": self.screened, "others": list(self.others)}
        return written | {name: value for name, value in rare.items() if value}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Evaluation":
        """Return the value that `to_json` wrote."""
        screened = written.get("screened", False)
        if written.get("failed"):
            return cls.failure(screened)
        others = tuple(written.get("others", ()))
        return cls(written["objective"], tuple(written["constraints"]), screened=screened, others=others)


@dataclass(frozen=True)
class Training:
    """One training of a point's network: with the images and the seed of a replicate.

    score: the accuracy, a fraction, or what is sought in its place; the negative of a number to minimise, so
        that more is better; None if it failed
    """

    point: Point
    replicate: int
    score: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"point": dict(self.point), "replicate": self.replicate, "score": self.score}

    @classmethod
    def from_json(cls, written: Mapping[str, Any], space: Space) -> "Training":
        """Return the value that `to_json` wrote."""
        return cls(space.point(written["point"]), written["replicate"], written["score"])


@dataclass(frozen=True)
class AccuracyGoal:
    """How accurate a network must be, and how surely, for a solver that plans replicates itself.

    A network must be as accurate as the base network less `tolerance`, or reach `bound` if there is no base.

    base: the base network's point; None: the bound is exact
    bound: the required accuracy; with a base, the mean of its first trainings less the tolerance
    level: the probability that names a network
    images: validation images that count for the noise of a training
    overlap: as of `results.analysis.posterior.believe`
    repeats: most trainings of a network beyond its first
    trainings: of the base, before the search
    """

    base: Point | None
    bound: float
    tolerance: float
    level: float
    images: int
    overlap: float
    repeats: int
    trainings: tuple[Training, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        written = {each.name: getattr(self, each.name) for each in fields(self)}
        base = None if self.base is None else dict(self.base)
        return {**written, "base": base, "trainings": [one.to_json() for one in self.trainings]}

    @classmethod
    def from_json(cls, written: Mapping[str, Any], space: Space) -> "AccuracyGoal":
        """Return the value that `to_json` wrote."""
        base = None if written["base"] is None else space.point(written["base"])
        trainings = tuple(Training.from_json(one, space) for one in written["trainings"])
        return cls(**{**written, "base": base, "trainings": trainings})


@dataclass(frozen=True)
class Ask:
    """A question about a point. replicate: 0 for its first training; of the base any that it lacks.

    belief: what the solver believed of the point when it chose it, as JSON data; None if it has no model
    """

    point: Point
    replicate: int = 0
    belief: Mapping[str, Any] | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data: the point alone, if that is all."""
        point = dict(self.point)
        if not self.replicate and self.belief is None:
            return point
        return {"point": point, "replicate": self.replicate, "belief": self.belief}

    @classmethod
    def from_json(cls, written: Mapping[str, Any], space: Space) -> "Ask":
        """Return the value that `to_json` wrote. Raise KeyError, TypeError or ValueError otherwise."""
        if written.keys() != {"point", "replicate", "belief"}:
            return cls(space.point(written))
        return cls(space.point(written["point"]), int(written["replicate"]), written["belief"])


@dataclass(frozen=True)
class Problem:
    """A problem for a solver. `start` is the first point it asks about, and `hints` are the next ones.

    costs: returns the objective of points, which is known before any training; None if only training tells.
        It is not part of the JSON data: a solver's process asks the search.
    allowed: returns whether points are within the limits that are known before any training; None if there
        are none. It is not part of the JSON data either.

    Raises:
        ValueError: the start or a hint is not in the space, or a number is out of range.
    """

    space: Space
    start: Point
    batch_size: int = 1  # most points a solver may ask about at once
    constraints: int = 0  # how many constraints an evaluation has
    seed: int = 0
    objectives: int = 1  # how many an evaluation has, all minimised
    hints: tuple[Point, ...] = ()  # points that were good in an earlier study
    version: int = 1  # of what solvers propose
    goal: AccuracyGoal | None = None
    earlier: tuple[Training, ...] = ()  # of an earlier study, whose model is one more input of this one's
    costs: Callable[[Sequence[Point]], list[float]] | None = None
    allowed: Callable[[Sequence[Point]], list[bool]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", self.space.point(self.start))
        object.__setattr__(self, "hints", tuple(self.space.point(hint) for hint in self.hints))
        if self.batch_size < 1:
            raise ValueError(f"batch_size {self.batch_size} is too small; give at least 1")
        if self.constraints < 0:
            raise ValueError(f"{self.constraints} is not a number of constraints; give 0 or more")
        if self.objectives < 1:
            raise ValueError(f"{self.objectives} is not a number of objectives; give at least 1")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed {self.seed} is out of range; give 0 to {LARGEST_SEED}")

    @property
    def opening(self) -> tuple[Point, ...]:
        """Return the first points a solver asks about: the start and then the hints, each point once."""
        return tuple(dict.fromkeys((self.start, *self.hints)))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data, without `costs` and `allowed`."""
        return {
            "space": self.space.to_json(),
            "start": dict(self.start),
            "batch_size": self.batch_size,
            "constraints": self.constraints,
            "seed": self.seed,
            "objectives": self.objectives,
            "hints": [dict(hint) for hint in self.hints],
            "version": self.version,
            "goal": self.goal and self.goal.to_json(),
            "earlier": [one.to_json() for one in self.earlier],
        }

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Problem":
        """Return the value that `to_json` wrote."""
        space = Space.from_json(written["space"])
        return cls(
            space=space,
            start=space.point(written["start"]),
            batch_size=written["batch_size"],
            constraints=written["constraints"],
            seed=written["seed"],
            objectives=written.get("objectives", 1),
            hints=tuple(space.point(hint) for hint in written.get("hints", ())),
            version=written["version"],
            goal=written["goal"] and AccuracyGoal.from_json(written["goal"], space),
            earlier=tuple(Training.from_json(one, space) for one in written["earlier"]),
        )


Evaluate = Callable[[list[Point]], list[Evaluation]]
EvaluateAsks = Callable[[Sequence[Point | Ask]], list[Evaluation]]  # of which replicates can be asked

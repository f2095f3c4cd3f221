"""A space: the variables of a study, and the conversions of its points.

A space checks all points that it makes, so no other code checks values. A space read from JSON equals the one
written, types included.
"""

import dataclasses
import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search_spaces._point import Point, Value
from search_spaces._variables import Choice, Integer, Real

Variable = Real | Integer | Choice
KINDS: dict[str, type[Variable]] = {"real": Real, "integer": Integer, "choice": Choice}


@dataclass(frozen=True)
class Space:
    """At least one variable, with distinct names, else ValueError. A point gives each variable a value."""

    variables: tuple[Variable, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", tuple(self.variables))
        if not self.variables:
            raise ValueError("a space needs at least one variable; none was given")
        for name in self.names:
            if self.names.count(name) > 1:
                raise ValueError(f"two variables are named {name!r}; give each a name of its own")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The variables' names, in order."""
        return tuple(variable.name for variable in self.variables)

    @property
    def size(self) -> int | None:
        """How many points there are; None: infinitely many."""
        sizes = [variable.size for variable in self.variables]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    @property
    def has_multipliers(self) -> bool:
        """Whether its variables are all positive numbers in order."""
        return all(isinstance(v, Real | Integer) and v.low > 0 for v in self.variables)

    def __iter__(self) -> Iterator[Point]:
        """All points. The last variable changes fastest. Raises TypeError if a variable is continuous."""
        for values in itertools.product(*(variable.values for variable in self.variables)):
            yield Point(dict(zip(self.names, values, strict=True)))

    def point(self, values: Mapping[str, object]) -> Point:
        """The point with these values, in the form that the variables keep (1 becomes 1.0 in a Real).

        Raises ValueError for an unknown or missing name, and for a value that its variable refuses.
        """
        unknown = [name for name in values if name not in self.names]
        missing = [name for name in self.names if name not in values]
        if unknown or missing:
            wrong = [f"unknown: {_join(unknown)}"] if unknown else []
            wrong += [f"missing: {_join(missing)}"] if missing else []
            raise ValueError(f"a point of this space names {_join(self.names)}; {'; '.join(wrong)}")
        return Point({variable.name: variable.check(values[variable.name]) for variable in self.variables})

    def sample(self, rng: random.Random) -> Point:
        """A point with each value drawn uniformly on its variable's scale."""
        return Point({variable.name: variable.sample(rng) for variable in self.variables})

    def to_numbers(self, point: Mapping[str, Value]) -> tuple[float, ...]:
        """What a solver sees for a point: one number per variable, in order."""
        checked = self.point(point)
        return tuple(variable.to_number(checked[variable.name]) for variable in self.variables)

    def from_numbers(self, numbers: Sequence[float]) -> Point:
        """The point of a solver's numbers, the exact inverse of `to_numbers`.

        Raises ValueError for too few or too many numbers, and for one that its variable refuses.
        """
        if len(numbers) != len(self.variables):
            raise ValueError(
                f"{len(numbers)} numbers came for {len(self.variables)} variables; "
                f"give one each for {_join(self.names)}"
            )
        pairs = zip(self.variables, numbers, strict=True)
        return Point({variable.name: variable.from_number(number) for variable, number in pairs})

    def to_json(self) -> list[dict[str, Any]]:
        """The space as plain JSON data, one object per variable."""
        return [_variable_to_json(variable) for variable in self.variables]

    @classmethod
    def from_json(cls, variables: Iterable[Mapping[str, Any]]) -> "Space":
        """The space that `to_json` wrote. Raises ValueError for anything else."""
        return cls(tuple(_variable_from_json(variable) for variable in variables))

    def table(self) -> str:
        """The space for people: a line for each variable, and one for the whole."""
        rows = [("variable", "values", "count")]
        rows += [(v.name, v.allowed, "continuous" if v.size is None else str(v.size)) for v in self.variables]
        rows += [("all", "", "continuous" if self.size is None else str(self.size))]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines)


def _variable_to_json(variable: Variable) -> dict[str, Any]:
    kind = next(kind for kind, cls in KINDS.items() if isinstance(variable, cls))
    fields = dataclasses.asdict(variable)
    return {"kind": kind} | {key: list(v) if isinstance(v, tuple) else v for key, v in fields.items()}


def _variable_from_json(variable: Mapping[str, Any]) -> Variable:
    kind = variable.get("kind")
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not a kind of variable; known: {', '.join(KINDS)}")
    known = [field.name for field in dataclasses.fields(KINDS[kind])]
    given = {key: value for key, value in variable.items() if key != "kind"}
    try:
        return KINDS[kind](**given)
    except TypeError as error:
        raise ValueError(
            f"{variable.get('name')}: a variable of kind {kind} has {', '.join(known)}, not {_join([*given])}"
        ) from error


def _join(values: Sequence[object]) -> str:
    return ", ".join(map(repr, values))

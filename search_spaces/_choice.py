"""A variable that is one of a few values, which may be of mixed types."""

import math
import random
from dataclasses import dataclass

from search_spaces._checks import check_name, index, listed, refusal
from search_spaces._point import Value


@dataclass(frozen=True)
class Choice:
    """One of `values`; `True`, `1` and `1.0` are three of them. A solver sees the index.

    `ordered` says that neighbours in the list are alike, so that a solver may walk along it.

    Raises:
        ValueError: there are no values, one comes twice, or one is not a text, a finite number
            or a truth value.
    """

    name: str
    values: tuple[Value, ...]
    ordered: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        if isinstance(self.values, str):
            raise ValueError(f"{self.name}: values {self.values!r} is one text; give a list of values")
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise ValueError(f"{self.name} has no values to choose from; give at least one")
        for value in self.values:
            self._check_type(value)
        for value in self.values:
            if sum(_same(value, other) for other in self.values) > 1:
                raise ValueError(f"{self.name}: {value!r} comes more than once; give each value once")

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    @property
    def integer(self) -> bool:
        """Whether a solver sees an integer."""
        return True

    @property
    def lower(self) -> float:
        """The least number that a solver may give."""
        return 0.0

    @property
    def upper(self) -> float:
        """The greatest number that a solver may give."""
        return float(len(self.values) - 1)

    @property
    def allowed(self) -> str:
        """The values in words."""
        return f"{'in order' if self.ordered else 'one of'} {listed(self.values)}"

    def check(self, value: object) -> Value:
        """The value as a point keeps it. A number of the other type is taken where it can mean only one.

        Raises:
            ValueError: the value is not one of the choices.
        """
        exact = [own for own in self.values if _same(own, value)]
        alike = exact or [
            own for own in self.values if _is_number(own) and _is_number(value) and own == value
        ]
        if not alike:
            raise refusal(self, value, "is not a choice")
        return alike[0]

    def sample(self, rng: random.Random) -> Value:
        """A value, all of them equally likely."""
        return self.values[rng.randrange(len(self.values))]

    def to_number(self, value: Value) -> float:
        """What a solver sees for a checked value: its index."""
        return float(next(i for i, own in enumerate(self.values) if _same(own, value)))

    def from_number(self, number: float) -> Value:
        """The value of a solver's number.

        Raises:
            ValueError: the number is no index of the values.
        """
        return self.values[index(self, number, len(self.values))]

    def _check_type(self, value: object) -> None:
        if not isinstance(value, str | int | float) or (
            isinstance(value, float) and not math.isfinite(value)
        ):
            raise ValueError(
                f"{self.name}: {value!r} cannot be a choice; give texts, finite numbers or true and false"
            )


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

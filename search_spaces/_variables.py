"""The kinds of variables: real numbers, integers and choices.

A solver sees a number for each value. Values and numbers convert into each other without loss, so recorded
values can answer a solver that asks in numbers.
"""

import math
import random
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from search_spaces._point import Value

LARGEST = 2**53  # up to here floats, and so solvers, can represent all integers


@dataclass(frozen=True)
class _Variable(ABC):
    """What all variables have. Methods and constructors raise ValueError for invalid arguments."""

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"{self.name!r} cannot name a variable; give a text that is not empty")

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many values there are; None: the variable is continuous."""

    @property
    def integer(self) -> bool:
        """Whether a solver sees an integer."""
        return True

    @property
    @abstractmethod
    def lower(self) -> float:
        """The smallest number that a solver may give."""

    @property
    @abstractmethod
    def upper(self) -> float:
        """The largest number that a solver may give."""

    @property
    @abstractmethod
    def allowed(self) -> str:
        """The values in words."""

    @abstractmethod
    def check(self, value: object) -> Value:
        """Return the value in the form that a point keeps, such as 4 for 4.0."""

    @abstractmethod
    def sample(self, rng: random.Random) -> Value:
        """Draw a value, uniform on the variable's scale."""

    @abstractmethod
    def to_number(self, value: Value) -> float:
        """Return the number that a solver sees for a checked value."""

    @abstractmethod
    def from_number(self, number: float) -> Value:
        """Return the value of a solver's number."""

    def _refusal(self, value: object, why: str) -> ValueError:
        return ValueError(f"{self.name} = {value!r} {why}; allowed: {self.allowed}")

    def _to_whole(self, number: float) -> int:
        if not math.isfinite(number) or number != int(number):
            raise ValueError(f"{self.name}: number {number!r} is not whole; round it in the solver")
        return int(number)

    def _to_index(self, number: float, count: int) -> int:
        position = self._to_whole(number)
        if not 0 <= position < count:
            raise ValueError(f"{self.name}: no value has the number {position}; numbers are 0 to {count - 1}")
        return position


@dataclass(frozen=True)
class _Range(_Variable):
    """A variable in [low, high], perhaps on a log scale."""

    low: float
    high: float
    log: bool = False

    @property
    def lower(self) -> float:
        return self.to_number(self.low)

    @property
    def upper(self) -> float:
        return self.to_number(self.high)

    def _check_range(self) -> None:
        if self.low > self.high:
            raise ValueError(f"{self.name}: low {self.low!r} is above high {self.high!r}; exchange them")


@dataclass(frozen=True)
class Real(_Range):
    """A real number in [low, high].

    With `granularity` the values are low, low + granularity, ..., high. They are computed as fractions, so
    that 0.1 + 2 * 0.1 is 0.3, and a solver sees the index. With `log` equal ratios are equally likely, and a
    solver sees the logarithm to base 10. Values then have 12 significant digits, because a power of ten of a
    logarithm in floating point is exact to about 13.

    Raises ValueError for a bound that is not finite, a low above high, a high off the grid, and for log with
    a grid, a low of 0 or less, or a bound of more than 12 digits.
    """

    granularity: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_finite("low")
        self._set_finite("high")
        self._check_range()
        if self.log:
            self._check_log()
        if self.granularity is not None:
            self._set_finite("granularity")
            self._check_grid(self.granularity)

    @cached_property
    def size(self) -> int | None:
        if self._grid is not None:
            return self._nearest_index(self.high) + 1
        return 1 if self.low == self.high else None

    @property
    def integer(self) -> bool:
        return self.granularity is not None

    @property
    def allowed(self) -> str:
        ends = f"{self.low:.6g} to {self.high:.6g}"
        if self.granularity is not None:
            return f"{ends} in steps of {self.granularity:.6g}"
        return f"{ends}, log scale" if self.log else ends

    @property
    def values(self) -> list[float]:
        """All values in rising order. Raises TypeError for a continuous variable."""
        if self.size is None:
            raise TypeError(
                f"{self.name} is continuous, so its values cannot be listed; give it a granularity"
            )
        return [self._grid_value(k) for k in range(self.size)] if self.integer else [self.low]

    def check(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._refusal(value, "is not a finite number")
        kept = self._round(float(value))
        if not self.low <= kept <= self.high:
            raise self._refusal(value, "is out of range")
        tolerance = 1e-9 * (self.granularity or 0)
        if self.integer and not math.isclose(kept, value, rel_tol=1e-12, abs_tol=tolerance):
            raise self._refusal(value, f"is not on the grid (nearest: {kept!r})")
        return kept

    def sample(self, rng: random.Random) -> float:
        if self.size is not None:
            return self._grid_value(rng.randrange(self.size)) if self.integer else self.low
        return self.from_number(rng.uniform(self.lower, self.upper))

    def to_number(self, value: Value) -> float:
        if self.integer:
            return float(self._nearest_index(float(value)))
        return math.log10(float(value)) if self.log else float(value)

    def from_number(self, number: float) -> float:
        if self.size is not None and self.integer:
            return self._grid_value(self._to_index(number, self.size))
        return self.check(10.0**number if self.log else number)

    def _set_finite(self, field: str) -> None:
        """Make a field a float, and -0.0 become 0.0."""
        number = getattr(self, field)
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise ValueError(f"{self.name}: {field} must be a finite number, not {number!r}")
        object.__setattr__(self, field, float(number) + 0.0)

    def _check_log(self) -> None:
        if self.granularity is not None:
            raise ValueError(f"{self.name}: log and granularity exclude each other; give one of them")
        if self.low < sys.float_info.min:
            raise ValueError(f"{self.name}: a log scale needs a low above 0, not {self.low!r}")
        for end in (self.low, self.high):
            if end != _to_twelve_digits(end):
                raise ValueError(
                    f"{self.name}: bound {end!r} has more than the 12 significant digits that a log "
                    f"scale keeps; give {_to_twelve_digits(end)!r}"
                )

    def _check_grid(self, granularity: float) -> None:
        if self.low + granularity <= self.low or self.high - granularity >= self.high:
            raise ValueError(f"{self.name}: granularity {granularity!r} makes no grid; give one above 0")
        nearest = self._grid_value(self._nearest_index(self.high))
        if not math.isclose(nearest, self.high, rel_tol=1e-12, abs_tol=1e-9 * granularity):
            raise ValueError(
                f"{self.name}: high {self.high!r} is not on the grid {self.low!r} + k * {granularity!r}; "
                f"the nearest value that is: {nearest!r}"
            )
        object.__setattr__(self, "high", nearest)

    @cached_property
    def _grid(self) -> tuple[Fraction, Fraction] | None:
        if self.granularity is None:
            return None
        return to_simplest_fraction(self.low), to_simplest_fraction(self.granularity)

    def _round(self, value: float) -> float:
        if self.integer:
            return self._grid_value(self._nearest_index(value))
        return _to_twelve_digits(value) if self.log else value + 0.0

    def _nearest_index(self, value: float) -> int:
        assert self._grid is not None
        low, step = self._grid
        return round((Fraction(value) - low) / step)

    def _grid_value(self, position: int) -> float:
        assert self._grid is not None
        low, step = self._grid
        return float(low + position * step)


@dataclass(frozen=True)
class Integer(_Range):
    """An integer in [low, high], which a solver sees as it is.

    `log` makes equal ratios about equally likely, in samples and for solvers that know log scales. Raises
    ValueError for a bound that is not an integer within ±2**53, a low above high, and log with a low below 1.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        super().__post_init__()
        for end in (self.low, self.high):
            if type(end) is not int or abs(end) > LARGEST:
                raise ValueError(f"{self.name}: bound {end!r} is not an integer within ±2**53; give one")
        self._check_range()
        if self.log and self.low < 1:
            raise ValueError(f"{self.name}: a log scale needs a low of at least 1, not {self.low}")

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    @property
    def allowed(self) -> str:
        return f"whole, {self.low} to {self.high}{', log scale' if self.log else ''}"

    @property
    def values(self) -> range:
        """All values in rising order."""
        return range(self.low, self.high + 1)

    def check(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise self._refusal(value, "is not a whole number")
        if not self.low <= value <= self.high:
            raise self._refusal(value, "is out of range")
        return int(value)

    def sample(self, rng: random.Random) -> int:
        if not self.log:
            return rng.randint(self.low, self.high)
        drawn = math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
        return min(max(round(drawn), self.low), self.high)

    def to_number(self, value: Value) -> float:
        return float(value)

    def from_number(self, number: float) -> int:
        return self.check(self._to_whole(number))


@dataclass(frozen=True)
class Choice(_Variable):
    """One of `values`, which may have different types. A solver sees the index.

    `True`, `1` and `1.0` are three values. `ordered` says that neighbours in the list are alike, so that a
    solver may move along it. Raises ValueError for no values, one that occurs twice, and one that is not a
    text, a finite number or a boolean.
    """

    values: tuple[Value, ...]
    ordered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.values, str):
            raise ValueError(f"{self.name}: values {self.values!r} is one text; give a list of values")
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise ValueError(f"{self.name} has no values to choose from; give at least one")
        for value in self.values:
            if not isinstance(value, str) and not (isinstance(value, int | float) and math.isfinite(value)):
                known = "texts, finite numbers or true and false"
                raise ValueError(f"{self.name}: {value!r} cannot be a choice; give {known}")
        for value in self.values:
            if sum(_is_same(value, other) for other in self.values) > 1:
                raise ValueError(f"{self.name}: {value!r} comes more than once; give each value once")

    @property
    def size(self) -> int:
        return len(self.values)

    @property
    def lower(self) -> float:
        return 0.0

    @property
    def upper(self) -> float:
        return float(len(self.values) - 1)

    @property
    def allowed(self) -> str:
        return f"{'in order' if self.ordered else 'one of'} {', '.join(map(repr, self.values))}"

    def check(self, value: object) -> Value:
        """Return the equal choice. A number of another type is accepted if only one choice equals it."""
        exact = [own for own in self.values if _is_same(own, value)]
        equal = exact or [
            own for own in self.values if _is_number(own) and _is_number(value) and own == value
        ]
        if not equal:
            raise self._refusal(value, "is not a choice")
        return equal[0]

    def sample(self, rng: random.Random) -> Value:
        return self.values[rng.randrange(len(self.values))]

    def to_number(self, value: Value) -> float:
        return float(next(i for i, own in enumerate(self.values) if _is_same(own, value)))

    def from_number(self, number: float) -> Value:
        return self.values[self._to_index(number, len(self.values))]


def to_simplest_fraction(value: float) -> Fraction:
    """The fraction that a person meant: 1/10 for 0.1; the float's own if no simple one equals it."""
    meant = Fraction(value).limit_denominator(10**6)
    return meant if float(meant) == value else Fraction(value)


def _to_twelve_digits(value: float) -> float:
    return float(f"{value:.11e}")


def _is_same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

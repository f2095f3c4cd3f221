"""A real variable: a continuum, a continuum on a log scale, or a grid.

A value and the number that a solver sees for it turn into each other without loss, so that
a record of values can answer a solver that asks in numbers. On a log scale this costs the
last digits: values there are kept to 12 significant digits, because a power of ten of a
logarithm in floating point is not exact to more than about 13.
"""

import math
import random
import sys
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from search_spaces._checks import check_name, check_range, finite, index, refusal
from search_spaces._point import Value


@dataclass(frozen=True)
class Real:
    """A real number in [low, high].

    With `granularity` the values are low, low + granularity, ..., high and nothing between; they
    are computed as fractions, so that 0.1 + 2 * 0.1 is 0.3. With `log` equal ratios are equally
    likely, a solver sees the logarithm to base 10, and values have 12 significant digits.

    Raises:
        ValueError: a bound is not finite or low is above high; high is off the grid; log with
            a grid, with a low of 0 or less, or with a bound of more than 12 digits.
    """

    name: str
    low: float
    high: float
    log: bool = False
    granularity: float | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "low", finite(self.name, "low", self.low))
        object.__setattr__(self, "high", finite(self.name, "high", self.high))
        check_range(self.name, self.low, self.high)
        if self.log:
            self._check_log()
        if self.granularity is not None:
            object.__setattr__(self, "granularity", finite(self.name, "granularity", self.granularity))
            self._check_grid(self.granularity)

    @cached_property
    def size(self) -> int | None:
        """How many values there are; None: a continuum."""
        if self._grid is not None:
            return self._nearest_index(self.high) + 1
        return 1 if self.low == self.high else None

    @property
    def integer(self) -> bool:
        """Whether a solver sees an integer: the index on the grid."""
        return self.granularity is not None

    @property
    def lower(self) -> float:
        """The least number that a solver may give."""
        return self.to_number(self.low)

    @property
    def upper(self) -> float:
        """The greatest number that a solver may give."""
        return self.to_number(self.high)

    @property
    def allowed(self) -> str:
        """The values in words."""
        ends = f"{self.low:.6g} to {self.high:.6g}"
        if self.granularity is not None:
            return f"{ends} in steps of {self.granularity:.6g}"
        return f"{ends}, log scale" if self.log else ends

    @property
    def values(self) -> list[float]:
        """Every value, rising.

        Raises:
            TypeError: the variable is continuous.
        """
        if self.size is None:
            raise TypeError(
                f"{self.name} is continuous, so its values cannot be listed; give it a granularity"
            )
        return [self._grid_value(k) for k in range(self.size)] if self.integer else [self.low]

    def check(self, value: object) -> float:
        """The value as a point keeps it: a float, on the grid or to 12 digits where that is the scale.

        Raises:
            ValueError: the value is not a finite number, out of range or off the grid.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise refusal(self, value, "is not a finite number")
        kept = self._kept(float(value))
        if not self.low <= kept <= self.high:
            raise refusal(self, value, "is out of range")
        if self.integer and not math.isclose(
            kept, value, rel_tol=1e-12, abs_tol=1e-9 * (self.granularity or 0)
        ):
            raise refusal(self, value, f"is not on the grid (nearest: {kept!r})")
        return kept

    def sample(self, rng: random.Random) -> float:
        """A value, uniform on the variable's scale."""
        if self.size is not None:
            return self._grid_value(rng.randrange(self.size)) if self.integer else self.low
        return self.from_number(rng.uniform(self.lower, self.upper))

    def to_number(self, value: Value) -> float:
        """What a solver sees for a checked value: itself, its logarithm, or its index on the grid."""
        if self.integer:
            return float(self._nearest_index(float(value)))
        return math.log10(float(value)) if self.log else float(value)

    def from_number(self, number: float) -> float:
        """The value of a solver's number.

        Raises:
            ValueError: the number is outside [lower, upper] or not an index of the grid.
        """
        if self.size is not None and self.integer:
            return self._grid_value(index(self, number, self.size))
        return self.check(10.0**number if self.log else number)

    def _check_log(self) -> None:
        if self.granularity is not None:
            raise ValueError(f"{self.name}: log and granularity exclude each other; give one of them")
        if self.low < sys.float_info.min:
            raise ValueError(f"{self.name}: a log scale needs a low above 0, not {self.low!r}")
        for end in (self.low, self.high):
            if end != _twelve_digits(end):
                raise ValueError(
                    f"{self.name}: bound {end!r} has more than the 12 significant digits that a log "
                    f"scale keeps; give {_twelve_digits(end)!r}"
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
        return simplest(self.low), simplest(self.granularity)

    def _kept(self, value: float) -> float:
        if self.integer:
            return self._grid_value(self._nearest_index(value))
        return _twelve_digits(value) if self.log else value + 0.0

    def _nearest_index(self, value: float) -> int:
        assert self._grid is not None
        low, step = self._grid
        return round((Fraction(value) - low) / step)

    def _grid_value(self, position: int) -> float:
        assert self._grid is not None
        low, step = self._grid
        return float(low + position * step)


def _twelve_digits(value: float) -> float:
    return float(f"{value:.11e}")


def simplest(value: float) -> Fraction:
    """The fraction that a person meant: 1/10 for 0.1, and the float's own where none is that simple."""
    meant = Fraction(value).limit_denominator(10**6)
    return meant if float(meant) == value else Fraction(value)

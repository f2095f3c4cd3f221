"""An integer variable. Its log scale is for sampling and for solvers that know one."""

import math
import random
from dataclasses import dataclass

from search_spaces._checks import check_name, check_range, refusal, whole
from search_spaces._point import Value

LARGEST = 2**53  # up to here floats, and so solvers, tell integers apart


@dataclass(frozen=True)
class Integer:
    """An integer in [low, high].

    `log` makes equal ratios about equally likely; a solver's number is the integer either way.

    Raises:
        ValueError: a bound is not an integer within ±2**53, low is above high, or log has a low below 1.
    """

    name: str
    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        for end in (self.low, self.high):
            if type(end) is not int or abs(end) > LARGEST:
                raise ValueError(f"{self.name}: bound {end!r} is not an integer within ±2**53; give one")
        check_range(self.name, self.low, self.high)
        if self.log and self.low < 1:
            raise ValueError(f"{self.name}: a log scale needs a low of at least 1, not {self.low}")

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    @property
    def integer(self) -> bool:
        """Whether a solver sees an integer."""
        return True

    @property
    def lower(self) -> float:
        """The least number that a solver may give."""
        return float(self.low)

    @property
    def upper(self) -> float:
        """The greatest number that a solver may give."""
        return float(self.high)

    @property
    def allowed(self) -> str:
        """The values in words."""
        return f"whole, {self.low} to {self.high}{', log scale' if self.log else ''}"

    @property
    def values(self) -> range:
        """Every value, rising."""
        return range(self.low, self.high + 1)

    def check(self, value: object) -> int:
        """The value as a point keeps it; 4.0 becomes 4.

        Raises:
            ValueError: the value is not a whole number or out of range.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise refusal(self, value, "is not a whole number")
        if not self.low <= value <= self.high:
            raise refusal(self, value, "is out of range")
        return int(value)

    def sample(self, rng: random.Random) -> int:
        """A value, uniform on the variable's scale."""
        if not self.log:
            return rng.randint(self.low, self.high)
        drawn = math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
        return min(max(round(drawn), self.low), self.high)

    def to_number(self, value: Value) -> float:
        """What a solver sees for a checked value: the value."""
        return float(value)

    def from_number(self, number: float) -> int:
        """The value of a solver's number.

        Raises:
            ValueError: the number is not whole or out of range.
        """
        return self.check(whole(self, number))

"""What every kind of variable refuses, in one wording."""

import math
from collections.abc import Sequence
from typing import Protocol


class HasName(Protocol):
    """A variable, as far as a refusal needs it."""

    @property
    def name(self) -> str: ...
    @property
    def allowed(self) -> str: ...


def refusal(variable: HasName, value: object, why: str) -> ValueError:
    """The error for a value that a variable cannot take."""
    return ValueError(f"{variable.name} = {value!r} {why}; allowed: {variable.allowed}")


def check_name(name: object) -> None:
    """Refuse a name that is no text or has no characters."""
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{name!r} cannot name a variable; give a text that is not empty")


def finite(name: str, what: str, number: object) -> float:
    """The number as a float; refuses text, truth values, infinities and not-a-number."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError(f"{name}: {what} must be a finite number, not {number!r}")
    return float(number) + 0.0  # + 0.0 turns -0.0 into 0.0


def check_range(name: str, low: float, high: float) -> None:
    """Refuse a range that holds no value; equal ends hold one."""
    if low > high:
        raise ValueError(f"{name}: low {low!r} is above high {high!r}; exchange them")


def index(variable: HasName, number: float, count: int) -> int:
    """The index that a solver's number stands for, in a variable of `count` values."""
    position = whole(variable, number)
    if not 0 <= position < count:
        raise ValueError(f"{variable.name}: no value has the number {position}; numbers are 0 to {count - 1}")
    return position


def whole(variable: HasName, number: float) -> int:
    """The integer that a solver's number stands for."""
    if not math.isfinite(number) or number != int(number):
        raise ValueError(f"{variable.name}: number {number!r} is not whole; round it in the solver")
    return int(number)


def listed(values: Sequence[object]) -> str:
    """Values as a reader would type them."""
    return ", ".join(repr(value) for value in values)

import math
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import Choice, Integer, Real, Variable
from tests.search_spaces import _spaces


def test_a_grid_holds_the_decimals_that_a_person_meant() -> None:
    assert Real("x", 0.1, 0.5, granularity=0.1).values == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert 1.0 in Real("x", 4 / 18, 27 / 18, granularity=1 / 18).values


def test_a_value_that_rounding_moved_off_the_grid_is_put_back() -> None:
    assert Real("x", 0.1, 0.5, granularity=0.1).check(0.1 + 0.2) == 0.3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Real("x", 2, 1), "x: low 2.0 is above high 1.0"),
        (lambda: Real("x", 0, math.inf), "x: high must be a finite number, not inf"),
        (lambda: Real("x", math.nan, 1), "x: low must be a finite number, not nan"),
        (lambda: Real("x", 0, 1, log=True), "x: a log scale needs a low above 0, not 0.0"),
        (lambda: Real("x", 1, 2, log=True, granularity=1), "x: log and granularity exclude each other"),
        (
            lambda: Real("x", 1 / 3, 2, log=True),
            "12 significant digits that a log scale keeps; give 0.333333333333",
        ),
        (
            lambda: Real("x", 0, 1, granularity=0.3),
            "high 1.0 is not on the grid 0.0 + k * 0.3; the nearest value",
        ),
        (lambda: Real("x", 0, 1, granularity=0), "x: granularity 0.0 makes no grid"),
        (lambda: Real("x", 0, 1, granularity=-0.5), "x: granularity -0.5 makes no grid"),
        (lambda: Real("x", 1e20, 1e20 + 1e5, granularity=1), "makes no grid"),
        (lambda: Real(" ", 0, 1), "' ' cannot name a variable"),
        (lambda: Integer("n", 3, 2), "n: low 3 is above high 2"),
        (lambda: Integer("n", 0, 2, log=True), "n: a log scale needs a low of at least 1, not 0"),
        (lambda: Integer("n", 0, 2**60), "is not an integer within ±2**53"),
        (lambda: Integer("n", True, 3), "n: bound True is not an integer"),
        (lambda: Choice("c", ()), "c has no values to choose from"),
        (lambda: Choice("c", ("a", "b", "a")), "c: 'a' comes more than once"),
        (lambda: Choice("c", (math.nan,)), "c: nan cannot be a choice"),
        (lambda: Choice("c", "abc"), "c: values 'abc' is one text"),  # type: ignore[arg-type]
    ],
)
def test_a_variable_that_makes_no_sense_is_refused_at_birth(make: type[Variable], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (Real("x", 0, 1), 1.5, "x = 1.5 is out of range; allowed: 0 to 1"),
        (Real("x", 0, 1), "1", "x = '1' is not a finite number; allowed: 0 to 1"),
        (Real("x", 0, 1), True, "x = True is not a finite number"),
        (Real("x", 0, 1), math.nan, "x = nan is not a finite number"),
        (Real("x", 0, 1, granularity=0.25), 0.3, "x = 0.3 is not on the grid (nearest: 0.25)"),
        (
            Real("x", 0, 1, granularity=0.25),
            1.25,
            "x = 1.25 is out of range; allowed: 0 to 1 in steps of 0.25",
        ),
        (Integer("n", 1, 9), 2.5, "n = 2.5 is not a whole number; allowed: whole, 1 to 9"),
        (Integer("n", 1, 9), 10, "n = 10 is out of range"),
        (Integer("n", 1, 9), math.inf, "n = inf is not a whole number"),
        (Integer("n", 1, 9), True, "n = True is not a whole number"),
        (Choice("c", ("a", 1)), "b", "c = 'b' is not a choice; allowed: one of 'a', 1"),
        (Choice("c", ("a", 1)), True, "c = True is not a choice"),
        (Choice("c", (0.5, 1.5), ordered=True), 1, "c = 1 is not a choice; allowed: in order 0.5, 1.5"),
    ],
)
def test_a_refused_value_is_named_with_what_is_allowed(
    variable: Variable, value: object, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        variable.check(value)


def test_numbers_of_the_other_type_are_taken_where_they_can_mean_only_one_value() -> None:
    assert type(Real("x", 0, 1).check(1)) is float
    assert type(Integer("n", 1, 9).check(4.0)) is int
    assert type(Choice("c", (0.0, "a")).check(0)) is float


def test_true_and_one_and_one_point_zero_are_three_choices() -> None:
    choice = Choice("c", (True, 1, 1.0))
    assert [type(choice.check(value)) for value in (1.0, True, 1)] == [float, bool, int]
    assert [choice.to_number(value) for value in (1.0, True, 1)] == [2.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("variable", "number", "message"),
    [
        (Choice("c", ("a", "b")), 2.0, "c: no value has the number 2; numbers are 0 to 1"),
        (Choice("c", ("a", "b")), -1.0, "c: no value has the number -1"),
        (Choice("c", ("a", "b")), 0.5, "c: number 0.5 is not whole"),
        (Integer("n", 1, 9), math.nan, "n: number nan is not whole"),
        (Real("x", 0, 1, granularity=0.25), 5.0, "x: no value has the number 5; numbers are 0 to 4"),
        (Real("x", 0, 1), 1.0000001, "x = 1.0000001 is out of range"),
    ],
)
def test_a_number_without_a_value_is_refused(variable: Variable, number: float, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        variable.from_number(number)


@settings(deadline=None)
@given(_spaces.variables("v"), st.integers(0, 2**32))
def test_a_sampled_value_survives_the_way_through_a_solver(variable: Variable, seed: int) -> None:
    value = variable.sample(random.Random(seed))
    number = variable.to_number(value)
    assert variable.lower <= number <= variable.upper
    assert number == int(number) or not variable.integer
    for returned in (variable.from_number(number), variable.check(value)):
        assert (returned, type(returned)) == (value, type(value))


@settings(deadline=None)
@given(_spaces.variables("v"))
def test_the_ends_of_a_range_survive_the_way_through_a_solver(variable: Variable) -> None:
    ends = variable.values if isinstance(variable, Choice) else (variable.low, variable.high)
    for end in ends:
        assert variable.from_number(variable.to_number(variable.check(end))) == end


@settings(deadline=None)
@given(_spaces.grids())
def test_a_grid_rises_from_low_to_high_in_as_many_values_as_it_says(grid: Real) -> None:
    assert grid.values == sorted(set(grid.values))
    assert (grid.values[0], grid.values[-1], len(grid.values)) == (grid.low, grid.high, grid.size)


def test_a_log_scale_draws_each_decade_equally_often() -> None:
    rng = random.Random(0)
    rates = [Real("x", 1e-4, 1.0, log=True).sample(rng) for _ in range(4000)]
    depths = [Integer("n", 1, 1000, log=True).sample(rng) for _ in range(4000)]
    assert all(
        900 < sum(math.floor(math.log10(rate)) == decade for rate in rates) < 1100 for decade in range(-4, 0)
    )
    assert 0.45 < sum(depth < 31 for depth in depths) / 4000 < 0.62


def test_a_range_of_one_value_has_that_value() -> None:
    for variable in (
        Real("x", 2, 2),
        Real("x", 2, 2, granularity=1),
        Real("x", 2, 2, log=True),
        Integer("x", 2, 2),
    ):
        assert (variable.size, list(variable.values), variable.sample(random.Random(0))) == (1, [2], 2)


def test_the_values_of_a_continuum_cannot_be_listed() -> None:
    with pytest.raises(
        TypeError, match="x is continuous, so its values cannot be listed; give it a granularity"
    ):
        _ = Real("x", 0, 1).values

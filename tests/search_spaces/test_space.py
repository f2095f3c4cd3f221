import json
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import search_spaces
from search_spaces import Choice, Integer, Point, Real, Space
from tests.search_spaces import _spaces

SMALL = Space((Integer("n", 1, 2), Choice("c", ("a", True, 1))))


@settings(deadline=None)
@given(_spaces.spaces())
def test_a_space_survives_json(space: Space) -> None:
    returned = Space.from_json(json.loads(json.dumps(space.to_json(), allow_nan=False)))
    assert returned == space
    assert repr(returned) == repr(space)  # equal types as well


@settings(deadline=None)
@given(_spaces.spaces(), st.integers(0, 2**32))
def test_a_sampled_point_survives_json_and_a_solver(space: Space, seed: int) -> None:
    point = space.sample(random.Random(seed))
    assert space.point(json.loads(json.dumps(dict(point), allow_nan=False))) == point
    assert space.from_numbers(space.to_numbers(point)) == point


def test_iteration_gives_every_point_once_and_the_last_variable_changes_fastest() -> None:
    points = list(SMALL)
    assert len(points) == len(set(points)) == SMALL.size == 6
    assert points[:2] == [Point({"n": 1, "c": "a"}), Point({"n": 1, "c": True})]


def test_a_continuous_space_has_no_size_and_refuses_iteration() -> None:
    space = Space((*SMALL.variables, Real("x", 0, 1)))
    assert space.size is None
    with pytest.raises(TypeError, match="x is continuous"):
        list(space)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n": 1}, "a point of this space names 'n', 'c'; missing: 'c'"),
        ({"n": 1, "c": "a", "d": 2}, "a point of this space names 'n', 'c'; unknown: 'd'"),
        ({"n": 1, "d": 2}, "unknown: 'd'; missing: 'c'"),
        ({"n": 3, "c": "a"}, "n = 3 is out of range; allowed: whole, 1 to 2"),
    ],
)
def test_a_point_that_does_not_fit_is_refused_in_full(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        SMALL.point(values)


def test_numbers_must_be_as_many_as_the_variables() -> None:
    with pytest.raises(ValueError, match="1 numbers came for 2 variables; give one each for 'n', 'c'"):
        SMALL.from_numbers([1.0])


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([], "a space needs at least one variable"),
        (
            [{"kind": "complex", "name": "z"}],
            "'complex' is not a kind of variable; known: real, integer, choice",
        ),
        ([{"kind": "integer", "name": "n", "low": 1}], "a variable of kind integer has name, low, high, log"),
        ([{"kind": "integer", "name": "n", "low": 1, "high": 2, "step": 1}], "has name, low, high, log, not"),
        ([{"kind": "integer", "name": "n", "low": 1, "high": 2}] * 2, "two variables are named 'n'"),
    ],
)
def test_json_that_is_no_space_is_refused(written: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Space.from_json(written)


def test_the_same_seed_brings_the_same_points() -> None:
    space = Space((*SMALL.variables, Real("x", 0.1, 1, log=True)))
    draws = [[space.sample(rng) for _ in range(20)] for rng in (random.Random(4), random.Random(4))]
    assert draws[0] == draws[1]


def test_the_table_shows_every_variable_and_the_number_of_points() -> None:
    assert SMALL.table().splitlines() == [
        "variable  values               count",
        "n         whole, 1 to 2        2",
        "c         one of 'a', True, 1  3",
        "all                            6",
    ]


def test_points_are_equal_only_with_equal_types_and_in_any_order() -> None:
    assert Point({"a": 1, "b": 2}) == Point({"b": 2, "a": 1})
    assert len({Point({"a": 1}), Point({"a": 1.0}), Point({"a": True}), Point({"a": 1})}) == 3
    assert Point({"a": 1}) != {"a": 1}
    assert dict(Point({"a": 1})) == {"a": 1}


def test_a_point_shows_its_values_and_cannot_be_changed() -> None:
    point = Point({"a": 1, "b": "x"})
    assert repr(point) == "Point(a=1, b='x')"
    with pytest.raises(TypeError):
        point["a"] = 2  # type: ignore[index]


def test_the_named_spaces_are_the_files_of_the_folder() -> None:
    assert {"scaling", "training"} <= set(search_spaces.names())
    assert "space" not in search_spaces.names()

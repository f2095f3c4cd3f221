import json
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.problem import Evaluation, Problem
from search_spaces import Integer, Point, Space
from tests.search_spaces import _spaces

ROOT = Path(__file__).parents[3]
SPACE = Space((Integer("n", 1, 9),))
finite = st.floats(allow_nan=False, allow_infinity=False)


def test_the_module_s_old_place_still_works_and_says_where_it_is_now() -> None:
    program = "from orchestrator.problem import Evaluate, Evaluation, Problem; print(Problem.__module__)"
    words = [sys.executable, "-W", "always", "-c", program]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "orchestrator.spec.problem\n"
    assert "DeprecationWarning: orchestrator.problem is now orchestrator.spec.problem" in ended.stderr


@settings(deadline=None)
@given(_spaces.spaces(), st.integers(0, 2**31 - 1))
def test_a_problem_survives_json(space: Space, seed: int) -> None:
    problem = Problem(space, space.sample(random.Random(seed)), 1 + seed % 7, seed % 3, seed)
    assert Problem.from_json(json.loads(json.dumps(problem.to_json(), allow_nan=False))) == problem


@given(finite, st.lists(finite, max_size=3))
def test_an_evaluation_survives_json(objective: float, constraints: list[float]) -> None:
    for evaluation in (
        Evaluation(objective, tuple(constraints)),
        Evaluation.failure(),
        Evaluation.failure(True),
    ):
        assert (
            Evaluation.from_json(json.loads(json.dumps(evaluation.to_json(), allow_nan=False))) == evaluation
        )


def test_the_start_is_kept_as_the_space_keeps_it() -> None:
    assert Problem(SPACE, Point({"n": 4.0})).start == Point({"n": 4})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"start": Point({"n": 10})}, "n = 10 is out of range; allowed: whole, 1 to 9"),
        ({"batch_size": 0}, "batch_size 0 is too small; give at least 1"),
        ({"constraints": -1}, "-1 is not a number of constraints; give 0 or more"),
        ({"seed": 2**31}, "seed 2147483648 is out of range; give 0 to 2147483647"),
        ({"seed": -1}, "seed -1 is out of range"),
    ],
)
def test_a_problem_that_makes_no_sense_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Problem(**({"space": SPACE, "start": Point({"n": 1})} | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("numbers", [(math.nan, ()), (math.inf, ()), (1.0, (math.nan,))])
def test_numbers_that_are_none_are_refused(numbers: tuple[float, tuple[float, ...]]) -> None:
    with pytest.raises(
        ValueError, match=r"is not finite; answer a point without numbers with Evaluation\.failure"
    ):
        Evaluation(*numbers)


def test_an_evaluation_is_feasible_when_every_constraint_is_zero_or_less() -> None:
    assert Evaluation(1.0).feasible
    assert Evaluation(1.0, (0.0, -1.0)).feasible
    assert not Evaluation(1.0, (-1.0, 1e-9)).feasible
    assert not Evaluation.failure().feasible

"""What a solver heard of a trial, in words."""

from typing import Any

import pytest

from results import constraints as heard

LIMITS = {"macs": 5e6, "params": 2e5, "latency": 2.0}


def trial(constraints: list[float] | None, state: str = "completed") -> dict[str, Any]:
    return {"state": state, "objective": 5e6, "constraints": constraints}


def study(limits: dict[str, float]) -> dict[str, Any]:
    return {"question": {"aim": {"minimise": "macs", "limits": limits}}}


@pytest.mark.parametrize(
    ("constraints", "state", "said"),
    [
        ([0.0125], "completed", "misses the required accuracy by 1.25 points"),
        ([-0.004], "completed", "meets the required accuracy with 0.40 points to spare"),
        ([0.03], "pruned", "expected to miss the required accuracy by 3.00 points"),
        ([0.0], "screened", "accuracy not measured"),
    ],
)
def test_an_accuracy_is_told_in_points(constraints: list[float], state: str, said: str) -> None:
    assert heard.words(trial(constraints, state), study({})) == f"objective 5000000; {said}"


def test_a_limit_is_told_in_its_unit() -> None:
    said = heard.words(trial([0.01, 0.5, -0.25, 0.1]), study(LIMITS))
    assert said.split("; ")[1:] == [
        "misses the required accuracy by 1.00 points",
        "2.50M MACs over the limit of 5.00M MACs",
        "0.05M parameters under the limit of 0.20M parameters",
        "0.200 ms over the limit of 2.000 ms",
    ]


def test_a_limit_without_a_bound_is_no_accuracy() -> None:
    said = heard.words(trial([0.5]), study({"macs": 5e6}))
    assert said == "objective 5000000; 2.50M MACs over the limit of 5.00M MACs"


def test_a_limit_of_the_space_is_told_as_one() -> None:
    said = heard.words(trial([-0.5]), {"question": {"most_parameters": 2e5}})
    assert said == "objective 5000000; 0.10M parameters under the limit of 0.20M parameters"


def test_a_trial_without_an_answer_is_told_so() -> None:
    assert heard.words(trial(None) | {"objective": None, "state": "failed"}, study({})) == "failed"
    assert heard.words(trial(None) | {"objective": None, "state": "running"}, study({})) == ""

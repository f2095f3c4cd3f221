"""The benchmark of searches by the model of accuracy, on one law."""

import re

import pytest

from tests.benchmarks._running import ran


@pytest.mark.slow
def test_a_search_comes_nearer_to_the_optimum_with_more_trainings() -> None:
    code, said = ran("accuracy_model", "--seeds", "1:2", "--rho", ".6", "--tolerance", ".02", "--block", "4")
    assert code == 0, said
    ratios = [float(ratio) for ratio in re.findall(r"cost over the optimum (\S+)", said)]
    assert len(ratios) == 5
    assert "20 trainings: cost over the optimum 1.540 (1.540 to 1.540), named 0" in said, (
        "the base's own cost"
    )
    assert 1 <= ratios[-1] < 1.2 < ratios[0]

import random

import pytest

from search_spaces import Point, resnet_budget
from trainer import models
from trainer.model_cost import cost


def counted(point: Point, classes: int = 10) -> int:
    """What the trainer counts on the network that it builds."""
    architecture = resnet_budget.architecture(point)
    shape = models.realise("resnet_budget", 1.0, 1.0, 0.25, 32, architecture)
    return cost("resnet_budget", shape, classes).parameters


def test_the_start_is_the_paper_s_baseline() -> None:
    start = resnet_budget.start()
    assert resnet_budget.space().point(start) == start
    assert resnet_budget.parameters(start) == 2_797_610
    assert resnet_budget.architecture(start) == {
        "layers": 4,
        "blocks": [2, 2, 2, 2],
        "channels": 32,
        "stem_kernel": 3,
        "kernel": 3,
        "pooling": 4,
    }


def test_the_closed_form_counts_what_the_trainer_builds() -> None:
    rng, space = random.Random(0), resnet_budget.space()
    points = [space.sample(rng) for _ in range(8)]
    assert {point["layers"] for point in points} == {1, 2, 3, 4}
    for classes, point in enumerate(points, start=2):
        assert resnet_budget.parameters(point, classes) == counted(point, classes)


def test_the_paper_s_final_network_is_feasible_and_one_block_more_is_not() -> None:
    final = {**resnet_budget.start(), "blocks_1": 4, "blocks_2": 6, "blocks_3": 8}
    assert resnet_budget.parameters(final) == 4_903_210
    assert resnet_budget.feasible(final)
    assert not resnet_budget.feasible({**final, "blocks_4": 3})
    assert not resnet_budget.feasible(final, most_parameters=4_903_209)


def test_blocks_beyond_the_layers_are_one_architecture() -> None:
    shallow = {**resnet_budget.start(), "layers": 3}
    other = {**shallow, "blocks_4": 7}
    assert resnet_budget.architecture(shallow) == resnet_budget.architecture(other)
    assert resnet_budget.parameters(shallow) == resnet_budget.parameters(other)


def test_every_value_of_a_space_is_that_of_a_network_under_the_limit() -> None:
    space = resnet_budget.space(most_parameters=20_000)
    smallest = space.from_numbers([variable.lower for variable in space.variables])
    for axis, variable in enumerate(space.variables):
        numbers = list(space.to_numbers(smallest))
        numbers[axis] = variable.upper
        assert resnet_budget.feasible(space.from_numbers(numbers), 20_000), variable.name
    assert space.size is not None
    assert space.size < (resnet_budget.space().size or 0)


def test_a_limit_below_the_smallest_network_is_refused() -> None:
    smallest = 3 * 8 * 9 + 16 + 2 * 8 * 8 * 9 + 32 + 80 + 10
    assert resnet_budget.space(most_parameters=smallest).size
    with pytest.raises(ValueError, match=f"at most {smallest - 1} parameters; the smallest has {smallest}"):
        resnet_budget.space(most_parameters=smallest - 1)


def test_under_a_lower_limit_the_start_is_a_smaller_network_of_that_space() -> None:
    assert resnet_budget.architecture(resnet_budget.start(1_000_000))["channels"] == 16
    for limit in (1506, 3000, 10_000, 30_000, 100_000, 300_000, 3_000_000):
        start = resnet_budget.start(limit)
        assert resnet_budget.feasible(start, limit)
        assert resnet_budget.space(limit).point(start) == start


def test_a_start_below_the_smallest_network_is_refused() -> None:
    with pytest.raises(ValueError, match="no network has at most 100 parameters"):
        resnet_budget.start(100)

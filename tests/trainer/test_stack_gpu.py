"""A stack on a GPU: captured as one graph, and still what its trainings are alone."""

from typing import Any

import pytest

from tests.trainer.test_stack import SEEDS_AND_IMAGES, SMALL, assert_same, settings, stacked, train


@pytest.mark.gpu
@pytest.mark.parametrize("ingredients", [{}, {"sam": {"start": 0.5}, "ema": {}, "cutmix": {}}])
def test_a_captured_stack_trains_as_captured_trainings_alone(ingredients: dict[str, Any]) -> None:
    common: dict[str, Any] = {
        "hyperparameters": {**SMALL, "learning_rate": 0.01},
        "device": "cuda",
        "precision": "fp32",
    }
    chosen = settings(SEEDS_AND_IMAGES, **common, ingredients=ingredients)
    together = stacked(chosen)
    train(together, steps=12)  # the first few of a phase are not captured
    assert together.engine.name == "cuda_graph", together.engine.reason
    for trainee, one in zip(together.trainees, chosen, strict=True):
        separate = one.trainee()
        train(separate, steps=12)
        assert_same(trainee, separate, relative=0.05)

"""The import rule keeps the two tables of usual learning rates apart; this keeps them equal."""

from types import ModuleType

import pytest

from search_spaces import training, training_wide
from trainer.optimizers import USUAL_LEARNING_RATE


@pytest.mark.parametrize("space", [training, training_wide])
def test_a_default_rate_of_the_space_is_the_trainers_usual_one(space: ModuleType) -> None:
    assert space.DEFAULT_LEARNING_RATES.items() <= USUAL_LEARNING_RATE.items()

"""The import rule keeps the two tables of usual learning rates apart; this keeps them equal."""

from search_spaces.training import DEFAULT_LEARNING_RATES
from trainer.optimizers import USUAL_LEARNING_RATE


def test_a_default_rate_of_the_space_is_the_trainers_usual_one() -> None:
    assert DEFAULT_LEARNING_RATES.items() <= USUAL_LEARNING_RATE.items()

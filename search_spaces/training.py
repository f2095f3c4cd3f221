"""Hyperparameters of a training: section 3.5 of Zolnouri, Lakhmiri, Tribes, Sari and Le Digabel,
"Efficient Training Under Limited Resources" (HAET challenge, ICLR 2021).

The learning rate is on SGD's scale: every optimizer's own rate is its own default times the
point's rate over 0.1, so that 0.1 means "the default" whichever optimizer it meets. It is
uniform, not logarithmic, because the paper's is.
"""

from collections.abc import Mapping

from search_spaces._choice import Choice
from search_spaces._named import Parts
from search_spaces._point import Point, Value
from search_spaces._real import Real
from search_spaces.space import Space

# The learning rate each optimizer is expected to want. All are the paper's but ASGD's, which
# it leaves out and which is torch's own default.
DEFAULT_LEARNING_RATES = {
    "adadelta": 1.0,
    "adagrad": 0.01,
    "sgd": 0.1,
    "adam": 0.01,
    "adamw": 0.01,
    "adamax": 0.002,
    "asgd": 0.01,
}


def space() -> Space:
    """The paper's four variables."""
    return Space(
        (
            Real("learning_rate", 1e-3, 0.6),
            Choice("weight_decay", (0.0, 5e-5, 5e-4, 5e-3, 0.05, 0.5), ordered=True),
            Choice("optimizer", tuple(DEFAULT_LEARNING_RATES)),
            Choice("batch_size", (128, 256, 512), ordered=True),
        )
    )


def start() -> Point:
    """What one would train with unasked: SGD at 0.1, weight decay 5e-4, batches of 128."""
    return space().point({"learning_rate": 0.1, "weight_decay": 5e-4, "optimizer": "sgd", "batch_size": 128})


def parts(point: Mapping[str, Value]) -> Parts:
    """What a point settles of a training: its hyperparameters."""
    return {"hyperparameters": hyperparameters(point)}


def hyperparameters(point: Mapping[str, Value]) -> dict[str, Value]:
    """What the trainer is given for a point: the same, with an absolute learning rate."""
    factor = DEFAULT_LEARNING_RATES[str(point["optimizer"])] / DEFAULT_LEARNING_RATES["sgd"]
    return {**point, "learning_rate": float(point["learning_rate"]) * factor}

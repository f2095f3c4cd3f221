"""Hyperparameters of a training: section 3.5 of Zolnouri, Lakhmiri, Tribes, Sari and Le Digabel,
"Efficient Training Under Limited Resources" (HAET challenge, ICLR 2021).

The learning rate is on SGD's scale: every optimizer gets its own default times the point's rate over 0.1, so
0.1 means "the default" for each. It is uniform, not logarithmic, as in the paper.
"""

from collections.abc import Mapping

from search_spaces import Choice, Parts, Point, Real, Space, Value

# the paper's default rates; it leaves out ASGD, whose rate is torch's default
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
    """The default training: SGD at 0.1, weight decay 5e-4, batches of 128."""
    return space().point({"learning_rate": 0.1, "weight_decay": 5e-4, "optimizer": "sgd", "batch_size": 128})


def parts(point: Mapping[str, Value]) -> Parts:
    """What a point sets: the hyperparameters."""
    return {"hyperparameters": hyperparameters(point)}


def hyperparameters(point: Mapping[str, Value]) -> dict[str, Value]:
    """The trainer's hyperparameters, with an absolute learning rate."""
    factor = DEFAULT_LEARNING_RATES[str(point["optimizer"])] / DEFAULT_LEARNING_RATES["sgd"]
    return {**point, "learning_rate": float(point["learning_rate"]) * factor}

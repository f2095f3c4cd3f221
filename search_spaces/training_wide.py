"""A wider space of training settings than the NOMAD paper's: rate, decay, batch and what regularises.

Rate and decay are logarithmic, because their product decides how strongly a network is regularised: tuning
both with the batch beat all but one of eight specialised methods on small sets (Brigato, Barz, Iocchi and
Denzler 2021, "Tune It or Don't Use It"). The rate is on SGD's scale, as in `training`. Policy, magnitude and
cutout are those of `recipe`, so their meaning does not depend on the recipe that is changed.
"""

from collections.abc import Mapping

from search_spaces import Choice, Integer, Parts, Point, Real, Space, Value, recipe, training

BATCHES = (16, 32, 64, 128, 256, 512)
# Nesterov's rate is SGD's
DEFAULT_LEARNING_RATES = {
    "nesterov": training.DEFAULT_LEARNING_RATES["sgd"],
    **{name: training.DEFAULT_LEARNING_RATES[name] for name in ("sgd", "adam", "adamw")},
}


def space() -> Space:
    """What may vary. `magnitude` is RandAugment's, and does nothing under another policy."""
    return Space(
        (
            Real("learning_rate", 1e-3, 1.0, log=True),
            Real("weight_decay", 1e-5, 0.1, log=True),
            Choice("optimizer", tuple(DEFAULT_LEARNING_RATES)),
            Choice("batch_size", BATCHES, ordered=True),
            Real("smoothing", 0.0, 0.3),
            Choice("policy", (recipe.NONE, *recipe.POLICIES)),
            Integer("magnitude", 1, 20),
            Real("cutout", 0.0, 0.75),
        )
    )


def start() -> Point:
    """The default training: SGD at 0.1, weight decay 5e-4, batches of 128, AutoAugment and cutout."""
    return space().point(
        {
            **training.start(),
            "smoothing": 0.0,
            "policy": "auto_augment",
            "magnitude": 9,
            "cutout": 0.5,
        }
    )


def parts(point: Mapping[str, Value]) -> Parts:
    """What a point sets: the hyperparameters, and ingredients."""
    return {"hyperparameters": hyperparameters(point), "ingredients": dict(ingredients(point))}


def hyperparameters(point: Mapping[str, Value]) -> dict[str, Value]:
    """The trainer's hyperparameters, with an absolute learning rate."""
    factor = DEFAULT_LEARNING_RATES[str(point["optimizer"])] / DEFAULT_LEARNING_RATES["sgd"]
    others = {name: point[name] for name in ("weight_decay", "optimizer", "batch_size")}
    return {"learning_rate": float(point["learning_rate"]) * factor, **others}


def ingredients(point: Mapping[str, Value]) -> recipe.Ingredients:
    """The trainer's changes for a point: settings by ingredient, None for removed ones."""
    return recipe.policy(point) | recipe.cutout(point) | recipe.smoothing(point)

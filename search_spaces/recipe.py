"""Recipes: which ingredients a training has, with which settings.

A point sets or removes every ingredient named here, so its meaning does not depend on the recipe that it
changes. Other ingredients, such as crop, stay as in the recipe. Settings of a removed ingredient do nothing,
so two points may be the same training.
"""

from collections.abc import Mapping
from typing import Any

from search_spaces import Choice, Integer, Parts, Point, Real, Space, Value

NONE = "none"
ADAPTIVE_RHO = 10  # ASAM's rho over SAM's: .5 and .05 in their papers for CIFAR-10

Settings = dict[str, Any]
Ingredients = dict[str, Settings | None]

# with all settings that the space does not vary, so that none of the changed recipe's remain
POLICIES: dict[str, Settings] = {"auto_augment": {}, "rand_augment": {"operations": 2}, "trivial_augment": {}}
FLIPS: dict[str, Settings] = {"flip": {"probability": 0.5}, "alternating_flip": {}}
MIXINGS: dict[str, Settings] = {
    "mixup": {"alpha": 1.0, "until": 1.0, "fixed": 0.0},
    "cutmix": {"alpha": 1.0, "until": 1.0},
}
SHARPNESS: dict[str, Settings] = {"sam": {}, "asam": {"eta": 0.01}}
AVERAGES: dict[str, Settings] = {"ema": {}}
SCHEDULES: dict[str, Settings] = {
    "cosine": {"warm_up": 0.0, "final": 0.0},
    "linear": {"warm_up": 0.05, "final": 0.0},
    "one_cycle": {"rise": 0.3, "first": 0.04, "last": 4e-6},
    "step_decay": {"factor": 0.9, "period": 0.08},
}


def space() -> Space:
    """What may vary. `rho` is on SAM's scale; ASAM gets ten times as much."""
    return Space(
        (
            Choice("policy", (NONE, *POLICIES)),
            Integer("magnitude", 1, 20),
            Choice("flip", (NONE, *FLIPS)),
            Real("cutout", 0.0, 0.75),
            Choice("mixing", (NONE, *MIXINGS)),
            Real("mixing_chance", 0.1, 1.0),
            Choice("mixing_fades", (False, True)),
            Real("smoothing", 0.0, 0.3),
            Choice("sharpness", (NONE, *SHARPNESS)),
            Real("rho", 0.01, 0.5, log=True),
            Choice("sharpness_from", (0.0, 0.5, 0.75), ordered=True),
            Choice("gradient_centralization", (False, True)),
            Choice("decay_split", (False, True)),
            Choice("average", (NONE, *AVERAGES)),
            Real("half_life", 0.002, 0.1, log=True),
            Choice("schedule", tuple(SCHEDULES)),
        )
    )


def start() -> Point:
    """The NOMAD paper's: AutoAugment, flip, cutout and a cosine."""
    return space().point(
        {
            "policy": "auto_augment",
            "magnitude": 9,
            "flip": "flip",
            "cutout": 0.5,
            "mixing": NONE,
            "mixing_chance": 0.5,
            "mixing_fades": False,
            "smoothing": 0.0,
            "sharpness": NONE,
            "rho": 0.05,
            "sharpness_from": 0.0,
            "gradient_centralization": False,
            "decay_split": False,
            "average": NONE,
            "half_life": 0.02,
            "schedule": "cosine",
        }
    )


def parts(point: Mapping[str, Value]) -> Parts:
    """What a point sets: the ingredients."""
    return {"ingredients": dict(ingredients(point))}


def ingredients(point: Mapping[str, Value]) -> Ingredients:
    """The trainer's changes for a point: settings by ingredient, None for removed ones."""
    mixing = {"chance": point["mixing_chance"], "anneal": point["mixing_fades"]}
    rho = float(point["rho"]) * (ADAPTIVE_RHO if point["sharpness"] == "asam" else 1)
    sharpness = {"rho": rho, "start": point["sharpness_from"]}
    centralized = {"conv_only": False} if point["gradient_centralization"] else None
    return {
        **policy(point),
        **_one_of(FLIPS, point["flip"]),
        **cutout(point),
        **_one_of(MIXINGS, point["mixing"], mixing),
        **smoothing(point),
        **_one_of(SHARPNESS, point["sharpness"], sharpness),
        "gradient_centralization": centralized,
        "decay_split": {} if point["decay_split"] else None,
        **_one_of(AVERAGES, point["average"], {"half_life": point["half_life"]}),
        **_one_of(SCHEDULES, point["schedule"]),
    }


def policy(point: Mapping[str, Value]) -> Ingredients:
    """Which operations change all images once per epoch, and RandAugment's magnitude."""
    magnitude = {"magnitude": point["magnitude"]} if point["policy"] == "rand_augment" else {}
    return _one_of(POLICIES, point["policy"], magnitude)


def cutout(point: Mapping[str, Value]) -> Ingredients:
    """The square that is hidden; none at 0."""
    return {"cutout": _unless_none("share", point["cutout"])}


def smoothing(point: Mapping[str, Value]) -> Ingredients:
    """Label smoothing; none at 0."""
    return {"label_smoothing": _unless_none("alpha", point["smoothing"])}


def _one_of(known: Mapping[str, Settings], chosen: Value, varied: Settings | None = None) -> Ingredients:
    """The removed ones first, so that the chosen one does not replace another of its kind."""
    removed: Ingredients = {name: None for name in known if name != chosen}
    return removed if chosen == NONE else removed | {str(chosen): known[str(chosen)] | (varied or {})}


def _unless_none(setting: str, strength: Value) -> Settings | None:
    return {setting: strength} if strength else None

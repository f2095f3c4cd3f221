"""What a configuration would train, without training it."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer import config as configs
from trainer import data, models, recipes, subset
from trainer.config import Subset, TrialConfig
from trainer.data import RULES, About, Source
from trainer.errors import InvalidConfig, to_one_line
from trainer.ingredients import Surgery, Vote
from trainer.initial_weights import open_weights
from trainer.model_cost import MACS_COUNTER, cost, cost_and_layers
from trainer.models import Shape
from trainer.report import Report

_MOST_CLASSES = 1000  # that an answer names


def describe(report: Report, check_data: bool, timed: bool, paths: Sequence[Path] = ()) -> None:
    """Answer each configuration with one line at once: those in the files, or else on stdin until it ends.

    check_data: read the data set whole, too; timed: measure the latency, too
    """
    for text in (path.read_bytes() for path in paths) if paths else sys.stdin.buffer:
        try:
            answer = _answer(configs.parse(text.decode(errors="replace")), check_data, timed)
        except InvalidConfig as error:
            report.error(error)
        except MemoryError as error:
            report.error(InvalidConfig(f"the machine's memory is too small for the data set: {error}"))
        else:
            report.event("model", **answer)


def compute_shape(config: TrialConfig, about: About) -> Shape:
    """The scaled network of a configuration for these data. Raises InvalidConfig."""
    scale = config.scale
    return models.realise(
        config.model, scale.depth, scale.width, scale.resolution, about.image_size, config.architecture
    )


def model_fields(config: TrialConfig, about: About, layers: bool = False) -> dict[str, Any]:
    """The fields of the `model` event, with the network's layers where asked for. Raises InvalidConfig.

    For an ensemble, macs and parameters are those of all networks, and layers those of each.
    """
    recipe, shape = (
        recipes.load(config.recipe, config.ingredients, config.versions.recipes),
        compute_shape(config, about),
    )
    vote, network = recipe.one(Vote), (config.model, shape, about.classes, recipe.every(Surgery))
    spent, passed = cost_and_layers(*network) if layers else (cost(*network), [])
    return {
        "model": config.model,
        "macs": spent.macs * (vote.count if vote else 1),
        "macs_counter": MACS_COUNTER,
        "parameters": spent.parameters * (vote.count if vote else 1),
        **asdict(shape),
        "scales": list(models.scales(config.model)),
        "image_size": about.image_size,
        "classes": about.classes,
        **({"layers": [asdict(layer) for layer in passed]} if layers else {}),
    }


def _answer(config: TrialConfig, check_data: bool, timed: bool) -> dict[str, Any]:
    if check_data:
        # whether files can be read does not depend on the rules, and the newest ones are the fastest
        labels, classes, names = _training_labels(replace(config.dataset, rules=RULES), config.test)
        subset.draw(labels, classes, config.subset, names)
    about = _about(config.dataset)
    dataset = {"name": str(config.dataset), **asdict(about), "fingerprint": _fingerprint(config.dataset)}
    answer = {**model_fields(config, about), "dataset": dataset | _class_fields(about, config.subset)}
    recipe = recipes.load(config.recipe, config.ingredients, config.versions.recipes)
    answer |= dict.fromkeys(
        ("keeps_weights", "initialises", "compares_latency", "checks"), True
    )  # what it can do
    if initial := open_weights(config, about, compute_shape(config, about)):
        answer["fresh"] = list(initial.fresh)
    answer["versions"] = asdict(configs.NEWEST)
    answer["batch_size"] = recipes.resolve_hyperparameters(recipe.defaults, config.hyperparameters).batch_size
    if timed:
        from trainer.latency import latency  # it imports what trains, which imports this module

        answer |= latency(config, compute_shape(config, about), about.classes)
    return answer


def _class_fields(about: About, drawn: Subset) -> dict[str, Any]:
    """Images of each class, and those drawn of it: `class_images`, `drawn`; empty if they are not known.

    Of many classes only the smallest, the median one and the largest are told. Raises InvalidConfig where
    the images do not allow this draw.
    """
    if about.class_images is None:
        return {}
    names, sizes = list(about.class_images), list(about.class_images.values())
    train, validation = subset.share(sizes, drawn, names)
    told: Sequence[int] = range(len(names))
    if len(names) > _MOST_CLASSES:
        by_size = sorted(told, key=lambda label: sizes[label])
        told = [by_size[0], by_size[len(names) // 2], by_size[-1]]
    texts = _tell_apart([to_one_line(name) for name in names])
    return {
        "class_images": {texts[label]: sizes[label] for label in told},
        "drawn": {texts[label]: [int(train[label]), int(validation[label])] for label in told},
    }


def _tell_apart(names: Sequence[str]) -> list[str]:
    """The names; those that are alike, as of folders that differ in spaces, get the number of their class."""
    times = Counter(names)
    return [name if times[name] == 1 else f"{name} (class {label})" for label, name in enumerate(names)]


# cached: the data sets stay the same during one run of `describe`
_about = lru_cache(maxsize=16)(data.about)
_fingerprint = lru_cache(maxsize=16)(data.fingerprint)


@lru_cache(maxsize=16)
def _training_labels(source: Source, test: bool) -> tuple[NDArray[np.int64], int, tuple[str, ...]]:
    """Labels of the training set, and number and names of the classes, after decoding all images."""
    images = data.load(source, test)
    images.train_images[:]
    return images.train_labels, images.classes, images.names

"""What a configuration would train, told without training it."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer import config as configs
from trainer import data, models, recipes, subset
from trainer.config import TrialConfig
from trainer.data import About, Source
from trainer.errors import InvalidConfig
from trainer.ingredients import Surgery, Vote
from trainer.model_cost import MACS_COUNTER, ModelCost, cost, cost_and_layers
from trainer.models import Shape
from trainer.report import Report


def describe(report: Report, check_data: bool, timed: bool, paths: Sequence[Path] = ()) -> None:
    """Answer each configuration in the files, or on stdin until it ends, with one line, at once.

    timed: measure the latency as well
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


def realised(config: TrialConfig, about: About) -> Shape:
    """The network of a configuration for these data. Raises Refused."""
    scale = config.scale
    return models.realise(
        config.model, scale.depth, scale.width, scale.resolution, about.image_size, config.architecture
    )


def model_fields(config: TrialConfig, about: About) -> dict[str, Any]:
    """The fields of the `model` event. Raises Refused."""
    spent = cost(config.model, realised(config, about), about.classes, _operations(config))
    return _model_fields(config, about, spent)


def model_and_layers(config: TrialConfig, about: About) -> dict[str, Any]:
    """The fields of a training's `model` event: with the layers of the network, or of each that votes.

    Raises Refused.
    """
    shape = realised(config, about)
    spent, passed = cost_and_layers(config.model, shape, about.classes, _operations(config))
    return _model_fields(config, about, spent) | {"layers": [asdict(layer) for layer in passed]}


def _operations(config: TrialConfig) -> tuple[Surgery, ...]:
    return recipes.load(config.recipe, config.ingredients).every(Surgery)


def _model_fields(config: TrialConfig, about: About, spent: ModelCost) -> dict[str, Any]:
    vote = recipes.load(config.recipe, config.ingredients).one(Vote)
    return {
        "model": config.model,
        "macs": spent.macs * (vote.count if vote else 1),
        "macs_counter": MACS_COUNTER,
        "parameters": spent.parameters * (vote.count if vote else 1),
        **asdict(realised(config, about)),
        "scales": list(models.scales(config.model)),
        "image_size": about.image_size,
        "classes": about.classes,
    }


def _answer(config: TrialConfig, check_data: bool, timed: bool) -> dict[str, Any]:
    if check_data:
        labels, classes, names = _training_labels(config.dataset, config.test)
        subset.draw(labels, classes, config.subset, names)
    about = _about(config.dataset)
    dataset = {"name": str(config.dataset), **asdict(about), "fingerprint": _fingerprint(config.dataset)}
    answer = {**model_fields(config, about), "dataset": dataset}
    if timed:
        from trainer.latency import latency  # which imports what trains, and that imports this module

        answer |= latency(config, realised(config, about), about.classes)
    return answer


@lru_cache(maxsize=16)
def _about(source: Source) -> About:
    """Looked up once: one run of `describe` is about data that stay."""
    return data.about(source)


@lru_cache(maxsize=16)
def _fingerprint(source: Source) -> str:
    return data.fingerprint(source)


@lru_cache(maxsize=16)
def _training_labels(source: Source, test: bool) -> tuple[NDArray[np.int64], int, tuple[str, ...]]:
    """Labels of the training set, and number and names of the classes, of data that can be read whole."""
    images = data.load(source, test)
    return images.train_labels, images.classes, images.names

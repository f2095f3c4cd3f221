"""Configurations for tests: small enough that a step takes milliseconds."""

from typing import Any


def trial(**changes: Any) -> dict[str, Any]:
    """A valid trial.json on the digits, with some keys changed."""
    return {
        "protocol": 1,
        "model": "resnet18",
        "scale": {"depth": 0.5, "width": 0.125, "resolution": 0.5},
        "dataset": "digits",
        "subset": {"train": 100, "validation": 50, "seed": 0},
        "hyperparameters": {"batch_size": 20},
        "budget": {"steps": 7},
        "seed": 0,
        "device": "cpu",
    } | changes

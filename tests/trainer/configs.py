"""Configurations for tests: small enough that a step takes milliseconds."""

from typing import Any

# a module of a network that cannot be captured: it reads a number from its device
NETWORK_THAT_WAITS = """
from torch import nn

class Waiting(nn.Module):
    def forward(self, x):
        return x / max(1.0, x.abs().max().item())

def build(classes, channels=(16,)):
    [width] = channels
    end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]
    return nn.Sequential(Waiting(), nn.Conv2d(3, width, 3), nn.ReLU(), *end)
"""


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

"""The latency of a network: seconds for a single image, which is not the inverse of the throughput.

It varies with what else the machine does. The median of many passes varies least, and their interquartile
range shows by how much.
"""

import statistics

import torch

from trainer import models, recipes
from trainer.config import TrialConfig
from trainer.device import resolve_device
from trainer.ingredients import Surgery, Vote
from trainer.models import Shape

PASSES, WARM_UPS = 30, 10


def latency(config: TrialConfig, shape: Shape, classes: int) -> dict[str, float]:
    """Time one image, batch 1, on the configuration's device in its precision. Raises InvalidConfig.

    A pass of an ensemble is one of each network. Returns the median and the interquartile range of PASSES, in
    milliseconds, as fields of the `model` event.
    """
    device = resolve_device(config)
    recipe = recipes.load(config.recipe, config.ingredients, config.versions.recipes)
    vote = recipe.one(Vote)
    changes = (surgery.apply for surgery in recipe.every(Surgery))
    network = models.build(config.model, shape, classes, changes)
    network = network.to(device.torch_device).to(memory_format=torch.channels_last).eval()
    image = torch.rand(1, 3, shape.resolution, shape.resolution, device=device.torch_device)
    image = image.contiguous(memory_format=torch.channels_last)

    def run() -> None:
        for _ in range(vote.count if vote else 1):
            network(image)

    with torch.inference_mode(), device.autocast():
        seconds = [device.time(run) for _ in range(WARM_UPS + PASSES)]
    first, median, third = statistics.quantiles(seconds[WARM_UPS:], n=4)
    return {"latency_ms": 1000 * median, "latency_iqr_ms": 1000 * (third - first)}

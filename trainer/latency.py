"""How long one image takes through a network: the time of a single answer, not the rate of many.

It is a measurement and differs from one time to the next, with what else the machine does; the median of many
passes differs least, and their interquartile range says how much.
"""

import statistics
import time

import torch

from trainer import models, recipes
from trainer.config import TrialConfig
from trainer.device import Device, resolve_device
from trainer.ingredients import Surgery, Vote
from trainer.models import Shape

PASSES, WARM_UPS = 30, 10


def latency(config: TrialConfig, shape: Shape, classes: int) -> dict[str, float]:
    """Time one image, batch 1, on the configuration's device in its precision. Raises Refused.

    Where several networks vote, a pass is one of each. Returns the median and the interquartile range of
    PASSES, in milliseconds, as fields of the `model` event.
    """
    where = resolve_device(config)
    chosen = recipes.load(config.recipe, config.ingredients)
    vote = chosen.one(Vote)
    network = models.build(config.model, shape, classes)
    for surgery in chosen.every(Surgery):
        network = surgery.apply(network)
    network = network.to(where.device).to(memory_format=torch.channels_last).eval()
    image = torch.rand(1, 3, shape.resolution, shape.resolution, device=where.device)
    image = image.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), where.autocast():
        passes = [
            _seconds(network, image, where, vote.count if vote else 1) for _ in range(WARM_UPS + PASSES)
        ]
    first, median, third = statistics.quantiles(passes[WARM_UPS:], n=4)
    return {"latency_ms": 1000 * median, "latency_iqr_ms": 1000 * (third - first)}


def _seconds(network: torch.nn.Module, image: torch.Tensor, where: Device, count: int) -> float:
    """One pass of the image through `count` networks, waited for."""
    where.synchronize()
    began = time.perf_counter()
    for _ in range(count):
        network(image)
    where.synchronize()
    return time.perf_counter() - began

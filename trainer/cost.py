"""What a network costs, without training it: multiply-accumulates and parameters.

Counted on the meta device, where no number is computed. torch's counter sees
convolutions and matrix products; others (fvcore, thop) add batch norms and give
0.2% to 0.5% more, so the counter's name stands beside every count.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from trainer import models
from trainer.models import Shape

MACS_COUNTER = "torch.utils.flop_counter/2"


@dataclass(frozen=True)
class Cost:
    """Of one image's forward pass, and of the weights."""

    macs: int
    parameters: int


@lru_cache(maxsize=4096)
def cost(name: str, shape: Shape, classes: int) -> Cost:
    """MACs of one image and the number of parameters."""
    with torch.device("meta"):
        network = models.build(name, shape, classes).eval()
        image = torch.empty(1, 3, shape.resolution, shape.resolution)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return Cost(
        macs=counter.get_total_flops() // 2,
        parameters=sum(weights.numel() for weights in network.parameters()),
    )

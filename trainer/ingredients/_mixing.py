"""What mixup and CutMix have in common: whom an image is mixed with, how often, and how much of it stays.

Nothing here waits for the device, so it may be captured with the step.
"""

import torch
from torch import Tensor

from trainer.ingredients import Draw


def check(alpha: float, chance: float, until: float) -> None:
    """Raises ValueError for a strength out of range."""
    if not 0.05 <= alpha <= 100:
        raise ValueError(f"alpha must be from 0.05 to 100, not {alpha}")
    if not 0 <= chance <= 1:
        raise ValueError(f"chance must be from 0 to 1, not {chance}")
    if not 0 < until <= 1:
        raise ValueError(f"until must be above 0 and at most 1, not {until}; for none give a chance of 0")


def partners(batch: Tensor) -> Tensor:
    """Each image's neighbour in the batch, whose order is random already."""
    return batch.roll(1, 0)


def happens(count: int, draw: Draw, chance: float, until: float, anneal: bool) -> Tensor:
    """bool [count]: which images are mixed, by `chance` until `until`, annealed to none there or not."""
    left = 1 - draw.progress / until
    share = left.clamp(min=0) if anneal else (left > 0).float()
    return torch.rand(count, generator=draw.generator, device=draw.progress.device) < chance * share


def beta(count: int, draw: Draw, alpha: float) -> Tensor:
    """float [count] from Beta(alpha, alpha).

    The first of two that torch draws from a Dirichlet distribution, for its public
    distributions take no generator.
    """
    concentration = torch.full((count, 2), float(alpha), device=draw.progress.device)
    return torch._sample_dirichlet(concentration, generator=draw.generator)[:, 0]

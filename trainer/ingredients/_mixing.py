"""What mixup and CutMix share: how often images are mixed, and by how much.

An image is mixed with its neighbour in the batch, whose order is random already. Nothing here waits for the
device, so a CUDA graph may hold it.
"""

import torch
from torch import Tensor

from trainer.ingredients import Draw


def draw_mixed(count: int, draw: Draw, chance: float, until: float, anneal: bool) -> Tensor:
    """bool [count]: which images are mixed, each with probability `chance` up to the progress `until`.

    With `anneal` the probability falls linearly to 0 there.
    """
    left = 1 - draw.progress / until
    share = left.clamp(min=0) if anneal else (left > 0).float()
    return torch.rand(count, generator=draw.generator, device=draw.progress.device) < chance * share


def draw_beta(count: int, draw: Draw, alpha: float) -> Tensor:
    """float [count] from Beta(alpha, alpha), as the first coordinate of a Dirichlet distribution.

    torch's public distributions take no generator.
    """
    concentration = torch.full((count, 2), float(alpha), device=draw.progress.device)
    return torch._sample_dirichlet(concentration, generator=draw.generator)[:, 0]

"""Random mirroring, each image's by itself.

A library's flip of a batched tensor throws one coin for the whole batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import BatchImages, Draw
from trainer.ingredients._moved import gather


@dataclass(frozen=True)
class Flip(BatchImages):
    """Mirror each image left to right by a coin (Krizhevsky et al. 2012, section 4.1).

    Does nothing where a mirrored image is another class's, as a digit's is.
    probability: in [0, 1].
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be from 0 to 1, not {self.probability}")

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        if not draw.mirrored:
            return images
        count, _, size, _ = images.shape
        mirrored = torch.rand((count, 1), generator=draw.generator, device=images.device) < self.probability
        grid = torch.arange(size, device=images.device)
        columns = torch.where(mirrored, size - 1 - grid, grid)
        return gather(images, grid.expand(count, size), columns)

"""Random mirroring, each image's by itself.

A library's flip of a batched tensor throws one coin for the whole batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import BatchImages, Draw


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
        throws = torch.rand((len(images), 1, 1, 1), generator=draw.generator, device=images.device)
        return torch.where(throws < self.probability, images.flip(3), images)

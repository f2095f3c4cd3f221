"""Random horizontal flips (Krizhevsky et al. 2012, section 4.1).

Each image is drawn by itself. torchvision's flip decides once for the whole batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import BatchImages, Draw, within


@dataclass(frozen=True)
class Flip(BatchImages):
    """Mirror images left to right. Does nothing where mirroring changes the class, as with digits."""

    probability: float = within(0.5, at_least=0, at_most=1)

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        if not draw.mirrored:
            return images
        drawn = torch.rand((len(images), 1, 1, 1), generator=draw.generator, device=images.device)
        return torch.where(drawn < self.probability, images.flip(3), images)

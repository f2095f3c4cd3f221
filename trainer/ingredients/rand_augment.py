"""RandAugment, with operations drawn per image (Cubuk et al. 2020, section 3).

Pixels that a move leaves empty become grey 128, as under AutoAugment here; torchvision fills them with black.
A move is a fraction of the image's size, not a number of pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import Draw, Policy, within
from trainer.ingredients import _operations as operations

GREATEST = 30


@dataclass(frozen=True)
class RandAugment(Policy):
    """Some of 14 image operations in turn, all at one magnitude.

    The paper's best for CIFAR-10 were 3 operations at magnitude 4 or 5. Magnitudes are torchvision's.
    """

    operations: int = within(2, at_least=1, at_most=8)
    magnitude: int = within(9, at_least=0, at_most=GREATEST)

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        names, device = operations.USUAL, images.device
        shares = (self.magnitude / GREATEST,) * len(names)
        strengths = operations.strengths(operations.NARROW, names, shares, device)
        indices = operations.to_indices(names, device)
        for _ in range(self.operations):
            drawn, sign = (
                torch.randint(below, (len(images),), generator=draw.generator, device=device)
                for below in (len(names), 2)
            )
            images = operations.apply(images, indices[drawn], strengths[drawn, sign])
        return images

"""RandAugment, the operations drawn for every image.

What a moved image leaves bare is grey 128, as under AutoAugment here; torchvision fills
with black. A move is a share of the image's size, not a number of pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import Draw, Policy
from trainer.ingredients import _operations as operations

GREATEST = 30


@dataclass(frozen=True)
class RandAugment(Policy):
    """Some of 14 image operations in turn, all at one magnitude (Cubuk et al. 2020, section 3).

    operations: how many in turn, 1 to 8. magnitude: 0 to 30, the operations' strengths
    as in torchvision. The paper's best for CIFAR-10 were 3 operations at 4 or 5.
    """

    operations: int = 2
    magnitude: int = 9

    def __post_init__(self) -> None:
        if not 1 <= self.operations <= 8:
            raise ValueError(f"operations must be from 1 to 8, not {self.operations}")
        if not 0 <= self.magnitude <= GREATEST:
            raise ValueError(f"magnitude must be from 0 to {GREATEST}, not {self.magnitude}")

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        names, device = operations.USUAL, images.device
        shares = [self.magnitude / GREATEST] * len(names)
        strengths = operations.NARROW.strengths(names, shares, device)
        places = operations.places(names, device)
        for _ in range(self.operations):
            drawn, side = (
                torch.randint(below, (len(images),), generator=draw.generator, device=device)
                for below in (len(names), 2)
            )
            images = operations.apply(images, places[drawn], strengths[drawn, side])
        return images

"""TrivialAugment, an operation and a magnitude drawn for every image.

What a moved image leaves bare is grey 128, as under AutoAugment here; torchvision fills
with black. A move is a share of the image's size: 32 pixels of an image of 32 are the whole.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import Draw, Policy
from trainer.ingredients import _operations as operations

GREATEST = 30


@dataclass(frozen=True)
class TrivialAugment(Policy):
    """One of 14 image operations at a magnitude of 31 for each image (Müller and Hutter 2021, wide)."""

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        names, device = operations.USUAL, images.device
        every = [(name, magnitude / GREATEST) for name in names for magnitude in range(GREATEST + 1)]
        strengths = operations.WIDE.strengths([n for n, _ in every], [share for _, share in every], device)
        drawn, magnitude, side = (
            torch.randint(below, (len(images),), generator=draw.generator, device=device)
            for below in (len(names), GREATEST + 1, 2)
        )
        places = operations.places(names, device)
        strength = strengths.view(len(names), GREATEST + 1, 2)[drawn, magnitude, side]
        return operations.apply(images, places[drawn], strength)

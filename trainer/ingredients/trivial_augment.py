"""TrivialAugment: one operation and one magnitude drawn per image (Müller and Hutter 2021, wide).

Pixels that a move leaves empty become grey 128, as under AutoAugment here; torchvision fills them with black.
A move is a fraction of the image's size: 32 pixels of an image of 32 are the whole.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import Draw, Policy
from trainer.ingredients import _operations as operations

GREATEST = 30
_NAMES, _SHARES = zip(
    *itertools.product(operations.USUAL, [m / GREATEST for m in range(GREATEST + 1)]), strict=True
)


@dataclass(frozen=True)
class TrivialAugment(Policy):
    """One of 14 image operations at one of 31 magnitudes per image."""

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        names, device = operations.USUAL, images.device
        strengths = operations.strengths(operations.WIDE, _NAMES, _SHARES, device)
        drawn, magnitude, sign = (
            torch.randint(below, (len(images),), generator=draw.generator, device=device)
            for below in (len(names), GREATEST + 1, 2)
        )
        indices = operations.to_indices(names, device)
        strength = strengths.view(len(names), GREATEST + 1, 2)[drawn, magnitude, sign]
        return operations.apply(images, indices[drawn], strength)

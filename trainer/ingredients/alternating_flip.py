"""Mirroring without a coin from the second epoch on.

It acts on the whole training set, for a captured step cannot follow the number of the epoch.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from trainer.ingredients import Draw, EpochImages

_SALT = 0x5F37  # so that the coins are not those of whatever else is drawn from the same seed
_SEEDS = 1 << 63


@dataclass(frozen=True)
class AlternatingFlip(EpochImages):
    """Mirror each image in every other epoch, which one first by a coin (Jordan 2024, airbench, section 3.6).

    So any two epochs in a row show every image both ways. Does nothing where a
    mirrored image is another class's, as a digit's is.
    """

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        if not draw.mirrored:
            return images.clone()
        generator = Generator().manual_seed((draw.seed ^ _SALT) % _SEEDS)
        coins = torch.randint(2, (len(images), 1, 1, 1), generator=generator)
        mirrored = ((coins + draw.epoch) % 2).to(images.device) == 1
        return torch.where(mirrored, images.flip(3), images)

"""Mirror each image in every other epoch (Jordan 2024, airbench, section 3.6)."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from trainer.ingredients import Draw, EpochImages

_SALT = 0x5F37  # so that these coins differ from what else is drawn from the same seed
_SEEDS = 1 << 63


@dataclass(frozen=True)
class AlternatingFlip(EpochImages):
    """Mirror each image in every other epoch; a coin decides which epoch is first.

    Any two epochs in a row then show every image both ways. Does nothing where mirroring changes the class,
    as with digits. It acts on the whole training set, because a captured step cannot follow the epoch.
    """

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        if not draw.mirrored:
            return images.clone()
        generator = Generator().manual_seed((draw.seed ^ _SALT) % _SEEDS)
        coins = torch.randint(2, (len(images), 1, 1, 1), generator=generator)
        mirrored = ((coins + draw.epoch) % 2).to(images.device) == 1
        return torch.where(mirrored, images.flip(3), images)

"""A square of each image hidden. It acts on normalised images, where 0 is the mean of the training set."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import BatchInputs, Draw


@dataclass(frozen=True)
class Cutout(BatchInputs):
    """Set a square in each image to the mean (DeVries and Taylor 2017, section 3.2).

    The square's centre is any pixel, so it may lie partly outside. share: of the
    image's size, in [0, 1]; the paper's 16 of 32 pixels are 0.5.
    """

    share: float = 16 / 32

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be from 0 to 1, not {self.share}")

    def __call__(self, inputs: Tensor, draw: Draw) -> Tensor:
        count, _, size, _ = inputs.shape
        side = round(size * self.share)
        centre = torch.randint(0, size, (2, count, 1), generator=draw.generator, device=inputs.device)
        corner = centre - side // 2
        grid = torch.arange(size, device=inputs.device)
        inside = (grid >= corner) & (grid < corner + side)
        hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return inputs.masked_fill(hole, 0)

"""Cutout: hide a square of each image (DeVries and Taylor 2017, section 3.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import BatchInputs, Draw, within


@dataclass(frozen=True)
class Cutout(BatchInputs):
    """Set a square in each image to the training set's mean, which is 0 after normalisation.

    The square's centre is any pixel, so it may lie partly outside.
    share: the square's side as a fraction of the image's; the paper has 16 of 32 pixels
    """

    share: float = within(16 / 32, at_least=0, at_most=1)

    def __call__(self, inputs: Tensor, draw: Draw) -> Tensor:
        count, _, size, _ = inputs.shape
        side = round(size * self.share)
        centre = torch.randint(0, size, (2, count, 1), generator=draw.generator, device=inputs.device)
        corner = centre - side // 2
        grid = torch.arange(size, device=inputs.device)
        inside = (grid >= corner) & (grid < corner + side)
        hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return inputs.masked_fill(hole, 0)

"""Random crops of the padded image (He et al. 2016, section 4.2).

Each image has a place of its own. torchvision's crop draws one place for the whole batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer import image_ops
from trainer.ingredients import BatchImages, Draw, within


@dataclass(frozen=True)
class Crop(BatchImages):
    """Shift each image by up to a fraction of its size in both directions.

    The paper pads 32 pixels by 4 zeros; here the padding is the image mirrored at its edge pixels.
    """

    share: float = within(4 / 32, at_least=0, at_most=0.5)

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        count, _, size, _ = images.shape
        reach = round(size * self.share)
        shift = torch.randint(
            -reach, reach + 1, (2, count, 1), generator=draw.generator, device=images.device
        )
        grid = torch.arange(size, device=images.device)
        rows, columns = reflect(grid + shift[0], size), reflect(grid + shift[1], size)
        return image_ops.gather_pixels(images, rows[:, :, None] * size + columns[:, None, :])


def reflect(index: Tensor, size: int) -> Tensor:
    """Mirror indices just outside of 0..size-1 at the edge pixels."""
    return (size - 1) - ((size - 1) - index.abs()).abs()

"""Random crops of the padded image, each image's by itself.

A library's crop of a batched tensor draws one place for the whole batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer import image_ops
from trainer.ingredients import BatchImages, Draw


@dataclass(frozen=True)
class Crop(BatchImages):
    """Shift each image up to a share of its size both ways, reflected at the border (He et al. 2016).

    Section 4.2 there pads 32 pixels by 4 zeros. Here what comes in is mirrored at the edge
    pixel. share: in [0, 0.5].
    """

    share: float = 4 / 32

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 0.5:
            raise ValueError(f"share must be from 0 to 0.5, not {self.share}")

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        count, _, size, _ = images.shape
        reach = round(size * self.share)
        shift = torch.randint(
            -reach, reach + 1, (2, count, 1), generator=draw.generator, device=images.device
        )
        grid = torch.arange(size, device=images.device)
        rows, columns = reflected(grid + shift[0], size), reflected(grid + shift[1], size)
        return image_ops.taken(images, rows[:, :, None] * size + columns[:, None, :])


def reflected(index: Tensor, size: int) -> Tensor:
    """Indices just outside 0..size-1 mirrored at the edge pixels."""
    return (size - 1) - ((size - 1) - index.abs()).abs()

"""Views of an image whose probabilities are averaged; each costs as much as judging the image again."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from trainer.ingredients import Views
from trainer.ingredients.crop import reflected


@dataclass(frozen=True)
class TestViews(Views):
    """Judge an image also mirrored and shifted (Jordan 2024, airbench, section 3.5).

    flip: also mirrored, where that leaves the class as it is. shift: also moved up and
    left, and down and right, by so many pixels, 0 to 7, reflected at the border; 0 for
    not. All views weigh alike; airbench gives the unshifted ones half of the weight.
    """

    __test__: ClassVar[bool] = False  # for pytest, which would take the name for a test's

    flip: bool = True
    shift: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= 7:
            raise ValueError(f"shift must be from 0 to 7 pixels, not {self.shift}")

    def __call__(self, images: Tensor, mirrored: bool) -> list[Tensor]:
        shifts = (-self.shift, self.shift) if self.shift else ()
        views = [images, *(_shifted(images, pixels) for pixels in shifts)]
        if self.flip and mirrored:
            views += [view.flip(3) for view in views]
        return views


def _shifted(images: Tensor, pixels: int) -> Tensor:
    """Down and right by so many pixels, up and left where negative."""
    size = images.shape[-1]
    index = reflected(torch.arange(size, device=images.device) - pixels, size)
    return images[:, :, index][:, :, :, index]

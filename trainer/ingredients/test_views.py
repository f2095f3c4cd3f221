"""Test-time augmentation (Jordan 2024, airbench, section 3.5). Each view costs one more evaluation."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from trainer.ingredients import Views, within
from trainer.ingredients.crop import reflect


@dataclass(frozen=True)
class TestViews(Views):
    """Average the probabilities of an image, its mirror image and shifted copies, all with equal weight.

    airbench gives the copies that are not shifted half of the weight.
    flip: add mirrored views, where mirroring keeps the class
    shift: add views shifted up and left, and down and right, by so many pixels, mirrored at the border
    """

    __test__: ClassVar[bool] = False  # pytest would take the class for a test

    flip: bool = True
    shift: int = within(1, at_least=0, at_most=7)

    def __call__(self, images: Tensor, mirrored: bool) -> list[Tensor]:
        shifts = (-self.shift, self.shift) if self.shift else ()
        views = [images, *(_shift(images, pixels) for pixels in shifts)]
        if self.flip and mirrored:
            views += [view.flip(3) for view in views]
        return views


def _shift(images: Tensor, pixels: int) -> Tensor:
    """Move down and right by so many pixels; up and left where negative."""
    size = images.shape[-1]
    index = reflect(torch.arange(size, device=images.device) - pixels, size)
    return images[:, :, index][:, :, :, index]

"""Colour taken from some of the images, each by a throw of its own."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer import image_ops
from trainer.ingredients import BatchImages, Draw


@dataclass(frozen=True)
class Grayscale(BatchImages):
    """Make some images grey, by PIL's luminance (the 5M-parameter ResNet's report, section 2.2).

    probability: in [0, 1]; torchvision's 0.1, for the report names none.
    """

    probability: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be from 0 to 1, not {self.probability}")

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        throws = torch.rand((len(images), 1, 1, 1), generator=draw.generator, device=images.device)
        return torch.where(throws < self.probability, image_ops.grey(images), images)

"""Random conversion to grey (Zhang, Liu and Zuo's 5M-parameter ResNet, section 2.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer import image_ops
from trainer.ingredients import BatchImages, Draw, within


@dataclass(frozen=True)
class Grayscale(BatchImages):
    """Make some images grey, with PIL's luminance. The report gives no probability; 0.1 is torchvision's."""

    probability: float = within(0.1, at_least=0, at_most=1)

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        drawn = torch.rand((len(images), 1, 1, 1), generator=draw.generator, device=images.device)
        return torch.where(drawn < self.probability, image_ops.to_grey(images), images)

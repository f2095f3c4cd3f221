"""Mixup: blend pairs of images and their targets (Zhang et al. 2018, section 2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import Draw, Mixing, _mixing, within


@dataclass(frozen=True)
class Mixup(Mixing):
    """Blend each image and its target with another's; each pair has a coefficient of its own.

    alpha: the fraction that stays is drawn from Beta(alpha, alpha); 1 in the paper for CIFAR-10
    fixed: the fraction that stays, the same for all images; 0 to draw it. Zhang, Liu and Zuo's 5M-parameter
        ResNet blends 0.2 x1 + 0.8 x2, which is 0.2 here
    chance: probability that an image is blended
    until: progress after which no image is blended; with `anneal`, the chance falls linearly to 0 there
    """

    alpha: float = within(1.0, at_least=0.05, at_most=100)
    fixed: float = within(0.0, at_least=0, below=1)
    chance: float = within(1.0, at_least=0, at_most=1)
    until: float = within(1.0, above=0, at_most=1)
    anneal: bool = False

    def __call__(self, inputs: Tensor, targets: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        count = len(inputs)
        mixed = _mixing.draw_mixed(count, draw, self.chance, self.until, self.anneal)
        if self.fixed:
            stays = torch.full((count,), float(self.fixed), device=inputs.device)
        else:
            stays = _mixing.draw_beta(count, draw, self.alpha)
        stays = stays.masked_fill(~mixed, 1.0)
        return _blend(inputs, stays[:, None, None, None]), _blend(targets, stays[:, None])


def _blend(batch: Tensor, stays: Tensor) -> Tensor:
    return torch.lerp(batch.roll(1, 0), batch, stays.to(batch.dtype))

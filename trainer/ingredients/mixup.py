"""Pairs of images blended, each pair by a coefficient of its own."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import Draw, Mixing, _mixing


@dataclass(frozen=True)
class Mixup(Mixing):
    """Blend each image and its target with another's (Zhang et al. 2018, section 2).

    alpha: the share that stays is drawn from Beta(alpha, alpha); the paper's 1 for CIFAR-10.
    fixed: the share that stays for all images, nothing drawn; 0 to draw it. The
    5M-parameter ResNet's report writes its blend as 0.2 x1 + 0.8 x2, which is 0.2 here;
    whoever takes its number for alpha gives that.
    chance: of an image to be blended. until: the progress after which none is; with
    `anneal`, the chance falls linearly to none there.
    """

    alpha: float = 1.0
    fixed: float = 0.0
    chance: float = 1.0
    until: float = 1.0
    anneal: bool = False

    def __post_init__(self) -> None:
        _mixing.check(self.alpha, self.chance, self.until)
        if not 0 <= self.fixed < 1:
            raise ValueError(f"fixed must be at least 0 and below 1, not {self.fixed}; 0 draws the share")

    def __call__(self, inputs: Tensor, targets: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        count = len(inputs)
        happens = _mixing.happens(count, draw, self.chance, self.until, self.anneal)
        if self.fixed:
            stays = torch.full((count,), float(self.fixed), device=inputs.device)
        else:
            stays = _mixing.beta(count, draw, self.alpha)
        stays = stays.masked_fill(~happens, 1.0)
        return _blended(inputs, stays[:, None, None, None]), _blended(targets, stays[:, None])


def _blended(batch: Tensor, stays: Tensor) -> Tensor:
    return torch.lerp(_mixing.partners(batch), batch, stays.to(batch.dtype))

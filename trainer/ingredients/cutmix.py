"""CutMix: paste a square of another image into each (Yun et al. 2019, section 3.1)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import Draw, Mixing, _mixing, within


@dataclass(frozen=True)
class Cutmix(Mixing):
    """Replace a square of each image by another image's; targets follow the area really pasted.

    The square's centre is any pixel, and what lies outside of the image is cut off.
    alpha: the fraction that stays is drawn from Beta(alpha, alpha), before the square is cut off
    chance: probability that an image is changed; 0.5 in the paper's code for CIFAR
    until: progress after which no image is changed; with `anneal`, the chance falls linearly to 0 there
    """

    alpha: float = within(1.0, at_least=0.05, at_most=100)
    chance: float = within(0.5, at_least=0, at_most=1)
    until: float = within(1.0, above=0, at_most=1)
    anneal: bool = False

    def __call__(self, inputs: Tensor, targets: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        count, _, size, _ = inputs.shape
        mixed = _mixing.draw_mixed(count, draw, self.chance, self.until, self.anneal)
        side = (size * (1 - _mixing.draw_beta(count, draw, self.alpha)).sqrt()).long() * mixed
        square = _draw_squares(side, size, draw)
        pasted = square.float().mean((1, 2))[:, None].to(targets.dtype)
        images = torch.where(square[:, None], inputs.roll(1, 0), inputs)
        return images, torch.lerp(targets, targets.roll(1, 0), pasted)


def _draw_squares(side: Tensor, size: int, draw: Draw) -> Tensor:
    """bool [N, S, S]: True within a square of side [N] in each image."""
    device = side.device
    centre = torch.randint(0, size, (2, len(side)), generator=draw.generator, device=device)
    corner = (centre - side // 2)[..., None]
    grid = torch.arange(size, device=device)
    inside = (grid >= corner) & (grid < corner + side[:, None])
    return inside[0][:, :, None] & inside[1][:, None, :]

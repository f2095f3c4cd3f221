"""A rectangle of each image replaced by another's, each by a rectangle of its own."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import Draw, Mixing, _mixing


@dataclass(frozen=True)
class Cutmix(Mixing):
    """Paste a square of another image into each; targets follow its area (Yun et al. 2019, section 3.1).

    The square's centre is any pixel; what lies outside is cut off, and the targets are
    weighed by the area really pasted.
    alpha: the share that stays is drawn from Beta(alpha, alpha) before the square is
    cut off. chance: of an image to be changed; 0.5 in the paper's code for CIFAR.
    until: the progress after which none is; with `anneal`, the chance falls linearly to
    none there.
    """

    alpha: float = 1.0
    chance: float = 0.5
    until: float = 1.0
    anneal: bool = False

    def __post_init__(self) -> None:
        _mixing.check(self.alpha, self.chance, self.until)

    def __call__(self, inputs: Tensor, targets: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        count, _, size, _ = inputs.shape
        happens = _mixing.happens(count, draw, self.chance, self.until, self.anneal)
        side = (size * (1 - _mixing.beta(count, draw, self.alpha)).sqrt()).long() * happens
        square = _squares(side, size, draw)
        pasted = square.float().mean((1, 2))[:, None].to(targets.dtype)
        mixed = torch.where(square[:, None], _mixing.partners(inputs), inputs)
        return mixed, torch.lerp(targets, _mixing.partners(targets), pasted)


def _squares(side: Tensor, size: int, draw: Draw) -> Tensor:
    """bool [N, S, S]: True within each image's square of side [N], wherever it is centred."""
    device = side.device
    centre = torch.randint(0, size, (2, len(side)), generator=draw.generator, device=device)
    corner = (centre - side // 2)[..., None]
    grid = torch.arange(size, device=device)
    inside = (grid >= corner) & (grid < corner + side[:, None])
    return inside[0][:, :, None] & inside[1][:, None, :]

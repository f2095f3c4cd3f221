"""The image operations that policies draw from, and what a magnitude means to each.

Images are grouped by operation, so each operation runs once, and only for the images
that drew it. Finding the groups makes the host wait, which is why a policy is applied
once an epoch to the whole training set. Tables, moves and blends for every image instead
wait for nothing, but took seven times as long on a CPU.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer import image_ops

Operation = Callable[[Tensor, Tensor], Tensor]

# the operations a policy may name; a drawn operation is a place in this list, `NONE` is none
OPERATIONS: dict[str, Operation] = {
    "shear_x": image_ops.shear_x,
    "shear_y": image_ops.shear_y,
    "translate_x": image_ops.translate_x,
    "translate_y": image_ops.translate_y,
    "rotate": image_ops.rotate,
    "brightness": image_ops.brightness,
    "color": image_ops.color,
    "contrast": image_ops.contrast,
    "sharpness": image_ops.sharpness,
    "posterize": image_ops.posterize,
    "solarize": image_ops.solarize,
    "autocontrast": image_ops.autocontrast,
    "equalize": image_ops.equalize,
    "invert": image_ops.invert,
}
NONE = -1
# RandAugment's and TrivialAugment's choice
USUAL: tuple[str, ...] = ("none", *(name for name in OPERATIONS if name != "invert"))
_SIGNED = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
_CHUNK = 8192  # images at once: bounds the memory of the wider types within an operation
_AROUND_ONE = ("brightness", "color", "contrast", "sharpness")


@dataclass(frozen=True)
class Reach:
    """What the greatest magnitude means: tangent, share of the size, degrees, distance from 1, bits lost."""

    shear: float
    translate: float
    rotate: float
    blend: float
    posterize: int

    def strengths(self, names: Sequence[str], shares: Sequence[float], device: torch.device) -> Tensor:
        """float [len(names), 2]: of each name and share, one way and the other."""
        both = [
            [self.strength(name, share, sign) for sign in (-1, 1)]
            for name, share in zip(names, shares, strict=True)
        ]
        return torch.tensor(both, device=device)

    def strength(self, name: str, share: float, sign: int) -> float:
        """What an operation is given at a share in [0, 1] of the greatest magnitude, one way or the other."""
        if name in _SIGNED:
            return sign * share * float(getattr(self, name.partition("_")[0]))
        if name in _AROUND_ONE:
            return 1 + sign * share * self.blend
        if name == "posterize":
            return 8 - round(self.posterize * share)
        return 255 * (1 - share) if name == "solarize" else 0.0


NARROW = Reach(0.3, 150 / 331, 30, 0.9, 4)  # AutoAugment's and RandAugment's
WIDE = Reach(0.99, 1.0, 135, 0.99, 6)  # TrivialAugment's


def places(names: Sequence[str], device: torch.device) -> Tensor:
    """Of the operations named, int64; that of "none" is `NONE`."""
    known = list(OPERATIONS)
    return torch.tensor([NONE if name == "none" else known.index(name) for name in names], device=device)


def apply(images: Tensor, drawn: Tensor, strength: Tensor) -> Tensor:
    """images uint8 [N, 3, S, S], each under the operation drawn [N] with its strength [N]; a new tensor."""
    changed = images.clone(memory_format=torch.contiguous_format)
    for number, operation in enumerate(OPERATIONS.values()):
        for where in torch.split((drawn == number).nonzero()[:, 0], _CHUNK):
            changed[where] = operation(changed[where], strength[where])
    return changed

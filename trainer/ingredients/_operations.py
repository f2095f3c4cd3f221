"""The image operations of the augmentation policies, and what a magnitude means to each.

Images are grouped by operation, so each operation runs once, on the images that drew it. Finding the sizes
of the groups makes the host wait once, so a policy runs once per epoch on the whole training set. Computing
every operation for every image would wait for nothing, but took seven times as long on a CPU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from trainer import image_ops
from trainer.images import count_at_once

Operation = Callable[[Tensor, Tensor], Tensor]

# a drawn operation is an index into this list, or `NONE`
_NAMES = (
    *("shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color", "contrast"),
    *("sharpness", "posterize", "solarize", "autocontrast", "equalize", "invert"),
)
OPERATIONS: dict[str, Operation] = {name: getattr(image_ops, name) for name in _NAMES}
NONE = -1
USUAL: tuple[str, ...] = ("none", *_NAMES[:-1])  # the choice of RandAugment and TrivialAugment: no invert
_SIGNED = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
_AROUND_ONE = ("brightness", "color", "contrast", "sharpness")


@dataclass(frozen=True)
class Reach:
    """The strength at the greatest magnitude.

    shear: tangent; translate: fraction of the image size; rotate: degrees; blend: distance from 1;
    posterize: bits removed
    """

    shear: float
    translate: float
    rotate: float
    blend: float
    posterize: int

    def strength(self, name: str, share: float, sign: int) -> float:
        """The argument of an operation at a share in [0, 1] of the greatest magnitude."""
        if name in _SIGNED:
            return sign * share * float(getattr(self, name.partition("_")[0]))
        if name in _AROUND_ONE:
            return 1 + sign * share * self.blend
        if name == "posterize":
            return 8 - round(self.posterize * share)
        return 255 * (1 - share) if name == "solarize" else 0.0


NARROW = Reach(0.3, 150 / 331, 30, 0.9, 4)  # AutoAugment and RandAugment
WIDE = Reach(0.99, 1.0, 135, 0.99, 6)  # TrivialAugment


# Tables are made once for each device, because each makes a GPU's host wait.


@cache
def strengths(
    reach: Reach, names: tuple[str, ...], shares: tuple[float, ...], device: torch.device
) -> Tensor:
    """float [len(names), 2]: for each name and share, the strength with sign -1 and +1."""
    both = [
        [reach.strength(name, share, sign) for sign in (-1, 1)]
        for name, share in zip(names, shares, strict=True)
    ]
    return torch.tensor(both, device=device)


@cache
def to_indices(names: tuple[str, ...], device: torch.device) -> Tensor:
    """int64 [len(names)]: indices into OPERATIONS; that of "none" is `NONE`."""
    return torch.tensor([NONE if name == "none" else _NAMES.index(name) for name in names], device=device)


def apply(images: Tensor, drawn: Tensor, strength: Tensor) -> Tensor:
    """Apply to each image, uint8 [N, 3, S, S], its drawn operation [N] with its strength [N]. Copies."""
    changed = images.clone(memory_format=torch.contiguous_format)
    order = drawn.argsort(stable=True)
    numbers = torch.arange(len(OPERATIONS) + 1, device=drawn.device)
    begins = torch.searchsorted(drawn[order], numbers).tolist()  # the only wait
    most = count_at_once(images, bytes_a_value=4)
    for (begin, end), operation in zip(pairwise(begins), OPERATIONS.values(), strict=True):
        for first in range(begin, end, most):
            where = order[first : min(first + most, end)]
            changed[where] = operation(changed[where], strength[where])
    return changed

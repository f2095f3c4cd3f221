"""AutoAugment's policy for CIFAR-10 (Cubuk et al. 2018), with one sub-policy drawn per image.

Pixels that a move leaves empty become grey 128, as in the public implementations with PIL. AutoAugment's own
code fills them with the mean, torchvision's with black.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from trainer.ingredients import Draw, Policy
from trainer.ingredients import _operations as operations

# a sub-policy is two of (operation, probability, magnitude 0..9)
POLICY: tuple[tuple[tuple[str, float, int], tuple[str, float, int]], ...] = (
    (("invert", 0.1, 7), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 8), ("equalize", 0.9, 2)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 7), ("autocontrast", 0.4, 8)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 3)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
    (("color", 0.9, 9), ("equalize", 0.6, 6)),
    (("autocontrast", 0.8, 4), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 3)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 2), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 8), ("invert", 0.1, 3)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 1)),
)


@dataclass(frozen=True)
class AutoAugment(Policy):
    """One of 25 learnt pairs of image operations per image (Cubuk et al. 2018, appendix table 7)."""

    def __call__(self, images: Tensor, draw: Draw) -> Tensor:
        device, count = images.device, len(images)
        chosen = torch.randint(len(POLICY), (count,), generator=draw.generator, device=device)
        for turn in (0, 1):
            names, probabilities, magnitudes = zip(*(pair[turn] for pair in POLICY), strict=True)
            happens = torch.rand(count, generator=draw.generator, device=device)
            side = torch.randint(2, (count,), generator=draw.generator, device=device)
            happens = happens < _to_tensor(probabilities, device)[chosen]
            shares = tuple(magnitude / 9 for magnitude in magnitudes)
            strengths = operations.strengths(operations.NARROW, names, shares, device)
            drawn = operations.to_indices(names, device)[chosen]
            images = operations.apply(images, drawn.where(happens, operations.NONE), strengths[chosen, side])
        return images


@cache  # made once: it makes a GPU's host wait
def _to_tensor(probabilities: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(probabilities, device=device)

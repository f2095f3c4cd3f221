"""AutoAugment's CIFAR-10 policy, a sub-policy drawn for every image (Cubuk et al. 2018, appendix table 7).

Images are grouped by operation, so each operation runs once for all images that
drew it. Finding the groups makes the host wait a few times, which is why this
is applied once an epoch to the whole training set.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from trainer import image_ops as ops

_Operation = Callable[[Tensor, Tensor], Tensor]

# Two of (operation, probability, magnitude 0..9) make a sub-policy.
POLICY: tuple[tuple[tuple[_Operation, float, int], tuple[_Operation, float, int]], ...] = (
    ((ops.invert, 0.1, 7), (ops.contrast, 0.2, 6)),
    ((ops.rotate, 0.7, 2), (ops.translate_x, 0.3, 9)),
    ((ops.sharpness, 0.8, 1), (ops.sharpness, 0.9, 3)),
    ((ops.shear_y, 0.5, 8), (ops.translate_y, 0.7, 9)),
    ((ops.autocontrast, 0.5, 8), (ops.equalize, 0.9, 2)),
    ((ops.shear_y, 0.2, 7), (ops.posterize, 0.3, 7)),
    ((ops.color, 0.4, 3), (ops.brightness, 0.6, 7)),
    ((ops.sharpness, 0.3, 9), (ops.brightness, 0.7, 9)),
    ((ops.equalize, 0.6, 5), (ops.equalize, 0.5, 1)),
    ((ops.contrast, 0.6, 7), (ops.sharpness, 0.6, 5)),
    ((ops.color, 0.7, 7), (ops.translate_x, 0.5, 8)),
    ((ops.equalize, 0.3, 7), (ops.autocontrast, 0.4, 8)),
    ((ops.translate_y, 0.4, 3), (ops.sharpness, 0.2, 6)),
    ((ops.brightness, 0.9, 6), (ops.color, 0.2, 8)),
    ((ops.solarize, 0.5, 2), (ops.invert, 0.0, 3)),
    ((ops.equalize, 0.2, 0), (ops.autocontrast, 0.6, 0)),
    ((ops.equalize, 0.2, 8), (ops.equalize, 0.6, 4)),
    ((ops.color, 0.9, 9), (ops.equalize, 0.6, 6)),
    ((ops.autocontrast, 0.8, 4), (ops.solarize, 0.2, 8)),
    ((ops.brightness, 0.1, 3), (ops.color, 0.7, 0)),
    ((ops.solarize, 0.4, 5), (ops.autocontrast, 0.9, 3)),
    ((ops.translate_y, 0.9, 9), (ops.translate_y, 0.7, 9)),
    ((ops.autocontrast, 0.9, 2), (ops.solarize, 0.8, 3)),
    ((ops.equalize, 0.8, 8), (ops.invert, 0.1, 3)),
    ((ops.translate_y, 0.7, 9), (ops.autocontrast, 0.9, 1)),
)
_SIGNED = (ops.shear_x, ops.shear_y, ops.translate_x, ops.translate_y, ops.rotate)
_AROUND_ONE = (ops.brightness, ops.color, ops.contrast, ops.sharpness)
_CHUNK = 8192  # images at once: bounds the memory of the wider types within


def cifar10(images: Tensor, generator: Generator) -> Tensor:
    """images [N, 3, S, S] uint8, each under a sub-policy of its own; a new tensor."""
    return torch.cat([_changed(chunk, generator) for chunk in torch.split(images, _CHUNK)])


def _changed(images: Tensor, generator: Generator) -> Tensor:
    device = images.device
    images = images.clone(memory_format=torch.contiguous_format)
    chosen = torch.randint(len(POLICY), (len(images),), generator=generator, device=device)
    for step in (0, 1):
        happens = torch.rand(len(images), generator=generator, device=device)
        sign = torch.randint(2, (len(images),), generator=generator, device=device) * 2.0 - 1
        probability = torch.tensor([pair[step][1] for pair in POLICY], device=device)[chosen]
        magnitude = torch.tensor([_strength(*pair[step]) for pair in POLICY], device=device)[chosen]
        operations = [pair[step][0] for pair in POLICY]
        for operation in dict.fromkeys(operations):
            uses = torch.tensor([used is operation for used in operations], device=device)[chosen]
            where = (uses & (happens < probability)).nonzero()[:, 0]
            strength = _directed(operation, magnitude[where], sign[where])
            images[where] = operation(images[where], strength)
    return images


def _strength(operation: _Operation, probability: float, magnitude: int) -> float:
    """What magnitude 0..9 means to an operation, without its sign."""
    share = magnitude / 9
    if operation in (ops.shear_x, ops.shear_y):
        return 0.3 * share
    if operation in (ops.translate_x, ops.translate_y):
        return 150 / 331 * share
    if operation is ops.rotate:
        return 30 * share
    if operation is ops.posterize:
        return 8 - round(magnitude / (9 / 4))
    if operation is ops.solarize:
        return 255 * (1 - share)
    return 0.9 * share


def _directed(operation: _Operation, strength: Tensor, sign: Tensor) -> Tensor:
    """The strength either way: left or right, less or more."""
    if operation in _SIGNED:
        return strength * sign
    if operation in _AROUND_ONE:
        return 1 + strength * sign
    return strength

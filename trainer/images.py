"""Images on the device: all of them, as uint8, at the trial's resolution, resized once."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

_CHUNK = 4096  # images at once where they are floats


@dataclass(frozen=True)
class DeviceImages:
    """images: uint8 [N, 3, S, S] in channels-last memory; labels: int64 [N]."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Normalisation:
    """To mean 0 and deviation 1 a channel; both [1, 3, 1, 1], of values in 0..255."""

    mean: Tensor
    deviation: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 [N, 3, S, S] to float."""
        return (images.float() - self.mean) / self.deviation


def to_device(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    sizes: tuple[int, int],
    device: torch.device,
) -> DeviceImages:
    """images [N, H, W, 3] at the size they are stored at and then at the trial's resolution, `sizes`."""
    moved = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)
    for size in sizes:
        moved = resized(moved, size)
    return DeviceImages(moved, torch.from_numpy(labels).to(device))


def normalisation(images: Tensor) -> Normalisation:
    """Of these images, uint8 [N, 3, S, S]; give the training images, never others."""
    sums = [_sums(chunk.double()) for chunk in torch.split(images, _CHUNK)]
    mean, square = torch.stack(sums).sum(0) / (images.numel() / 3)
    deviation = (square - mean**2).clamp(min=1.0).sqrt()  # at least one grey value: a flat set stays finite
    return Normalisation(mean.float().view(1, 3, 1, 1), deviation.float().view(1, 3, 1, 1))


def _sums(images: Tensor) -> Tensor:
    """double [2, 3]: of a chunk's values and of their squares, by channel."""
    return torch.stack([images.sum((0, 2, 3)), (images**2).sum((0, 2, 3))])


def resized(images: Tensor, size: int) -> Tensor:
    """uint8 [N, 3, S, S] to [N, 3, size, size], bilinear with antialiasing; the same tensor where it fits."""
    if images.shape[2:] == (size, size):
        return images
    chunks = [
        F.interpolate(chunk.float(), (size, size), mode="bilinear", antialias=True)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
        for chunk in torch.split(images, _CHUNK)
    ]
    return torch.cat(chunks).contiguous(memory_format=torch.channels_last)

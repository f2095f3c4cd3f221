"""All images on the device, as uint8, resized once to the trial's resolution."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class DeviceImages:
    """images: uint8 [N, 3, S, S] in channels-last memory; labels: int64 [N]."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> "DeviceImages":
        """The first images, without a copy. None: all."""
        return DeviceImages(self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Normalisation:
    """To mean 0 and standard deviation 1 per channel. Both are [1, 3, 1, 1], of values in 0..255."""

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
    """Move images [N, H, W, 3], and resize them to the data set's size and then the trial's (`sizes`)."""
    moved = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)
    for size in sizes:
        moved = resize(moved, size)
    return DeviceImages(moved, torch.from_numpy(labels).to(device))


def compute_normalisation(images: Tensor) -> Normalisation:
    """The normalisation of the training images, uint8 [N, 3, S, S]."""
    chunks = (chunk.double() for chunk in split_by_memory(images, bytes_a_value=8))
    sums = [torch.stack([chunk.sum((0, 2, 3)), (chunk**2).sum((0, 2, 3))]) for chunk in chunks]
    mean, square = torch.stack(sums).sum(0) / (images.numel() / 3)
    deviation = (square - mean**2).clamp(min=1.0).sqrt()  # so that constant images stay finite
    return Normalisation(mean.float().view(1, 3, 1, 1), deviation.float().view(1, 3, 1, 1))


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 [N, 3, S, S] to [N, 3, size, size], bilinear with antialiasing; the same tensor if S is size."""
    if images.shape[2:] == (size, size):
        return images
    chunks = [
        F.interpolate(chunk.float(), (size, size), mode="bilinear", antialias=True)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
        for chunk in split_by_memory(images, bytes_a_value=4)
    ]
    return torch.cat(chunks).contiguous(memory_format=torch.channels_last)


def split_by_memory(images: Tensor, bytes_a_value: int) -> tuple[Tensor, ...]:
    """Parts of images, [N, 3, S, S], that take 64 MiB each in a wider type, or hold one image."""
    return torch.split(images, count_at_once(images, bytes_a_value))


def count_at_once(images: Tensor, bytes_a_value: int) -> int:
    """How many of the images, [N, 3, S, S], take 64 MiB in a type of so many bytes; 1 at least."""
    return max(1, _CHUNK_BYTES // (images.shape[1:].numel() * bytes_a_value))

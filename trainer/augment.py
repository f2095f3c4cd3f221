"""Crop, flip and cutout, drawn for every image of a batch by itself.

Library transforms on a batched tensor draw one crop or one flip for the whole
batch; here `images: [N, 3, S, S]` come back changed each in its own way. All
draws are made on the images' device, so nothing waits for the host.
"""

import torch
from torch import Generator, Tensor


def crop(images: Tensor, generator: Generator, share: float = 4 / 32) -> Tensor:
    """Shift each image by up to `share` of its size both ways; what comes in is reflected."""
    count, _, size, _ = images.shape
    reach = round(size * share)
    shift = torch.randint(
        -reach, reach + 1, (2, count, 1), generator=generator, device=images.device, dtype=torch.int64
    )
    grid = torch.arange(size, device=images.device)
    rows, columns = _reflected(grid + shift[0], size), _reflected(grid + shift[1], size)
    return _gather(images, rows, columns)


def flip(images: Tensor, generator: Generator) -> Tensor:
    """Mirror each image left to right with probability 1/2."""
    count, _, size, _ = images.shape
    mirrored = torch.rand((count, 1), generator=generator, device=images.device) < 0.5
    grid = torch.arange(size, device=images.device)
    columns = torch.where(mirrored, size - 1 - grid, grid)
    return _gather(images, grid.expand(count, size), columns)


def cutout(images: Tensor, generator: Generator, share: float = 16 / 32) -> Tensor:
    """Set a square of `share` of the size to 0 in each image (DeVries and Taylor 2017).

    For normalised images: 0 is the mean. The square's centre is any pixel, so it
    may lie partly outside.
    """
    count, _, size, _ = images.shape
    side = round(size * share)
    corner = torch.randint(0, size, (2, count, 1), generator=generator, device=images.device) - side // 2
    grid = torch.arange(size, device=images.device)
    inside = (grid >= corner) & (grid < corner + side)
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(hole, 0)


def _reflected(index: Tensor, size: int) -> Tensor:
    """Indices just outside 0..size-1 mirrored at the edge pixels."""
    return (size - 1) - ((size - 1) - index.abs()).abs()


def _gather(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pixels of each image at its own rows [N, S] and columns [N, S], in channels-last memory."""
    which = torch.arange(len(images), device=images.device)[:, None, None]
    picked = images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)

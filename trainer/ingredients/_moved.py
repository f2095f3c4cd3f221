"""Pixels taken from elsewhere in their image, a place for each image."""

import torch
from torch import Tensor


def gather(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pixels of images [N, C, S, S], each at its own rows [N, S] and columns [N, S]; channels last."""
    which = torch.arange(len(images), device=images.device)[:, None, None]
    picked = images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


def reflected(index: Tensor, size: int) -> Tensor:
    """Indices just outside 0..size-1 mirrored at the edge pixels."""
    return (size - 1) - ((size - 1) - index.abs()).abs()

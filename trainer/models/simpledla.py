"""Simplified deep layer aggregation: stages are binary trees of blocks (Yu et al. 2018).

With the simplification usual for CIFAR: a tree's root joins only its two halves.
"""

import torch
from torch import Tensor, nn

from trainer.models._blocks import BasicBlock, Classifier, conv_norm_relu
from trainer.models._scale import Base, Shape

BASE = Base(channels=(16, 16, 32, 64, 128, 256, 512), blocks=(1, 1, 1, 2, 4, 4, 2))
FIXED = {"depth": "its blocks are the leaves of binary trees, whose number can only double"}

_TREES = ((1, 1), (2, 2), (2, 2), (1, 2))  # levels and stride of the last four stages


def build(shape: Shape, classes: int) -> nn.Module:
    """Three plain convolutions, four trees and the classifier."""
    layers: list[nn.Module] = []
    channels_in = 3
    for channels in shape.channels[:3]:
        layers += conv_norm_relu(channels_in, channels)
        channels_in = channels
    for channels, (levels, stride) in zip(shape.channels[3:], _TREES, strict=True):
        layers.append(_make_tree(channels_in, channels, levels, stride))
        channels_in = channels
    return nn.Sequential(*layers, Classifier(channels_in, classes))


def _make_tree(channels_in: int, channels: int, levels: int, stride: int) -> nn.Module:
    """A tree of 2 ** levels blocks; with 0 levels it is a block."""
    if levels == 0:
        return BasicBlock(channels_in, channels, stride)
    left = _make_tree(channels_in, channels, levels - 1, stride)
    right = _make_tree(channels, channels, levels - 1, stride=1)
    return _Tree(left, right, channels)


class _Tree(nn.Module):
    """Two halves in a row, and a root that joins their outputs."""

    def __init__(self, left: nn.Module, right: nn.Module, channels: int) -> None:
        super().__init__()
        self.left, self.right = left, right
        self.root = nn.Sequential(*conv_norm_relu(2 * channels, channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C_in, H, W] to [N, C, H/stride, W/stride]."""
        lower = self.left(features)
        joined: Tensor = self.root(torch.cat([lower, self.right(lower)], 1))
        return joined

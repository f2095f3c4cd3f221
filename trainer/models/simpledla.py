"""Simplified deep layer aggregation: stages are binary trees of blocks (Yu et al. 2018).

The simplification usual for CIFAR: a tree's root joins its two halves only,
nothing from further below.
"""

import torch
from torch import Tensor, nn

from trainer.models._blocks import BasicBlock, Classifier, stem
from trainer.models._scale import Base, Shape

BASE = Base(channels=(16, 16, 32, 64, 128, 256, 512), blocks=(1, 1, 1, 2, 4, 4, 2))
FIXED = {"depth": "its blocks are the leaves of binary trees, whose number can only double"}

_TREES = ((1, 1), (2, 2), (2, 2), (1, 2))  # levels and stride of the last four stages


def build(shape: Shape, classes: int) -> nn.Module:
    """Three plain convolutions, four trees and the classifier."""
    first, second, third, *trees = shape.channels
    layers = [*stem(first), *_convolution(first, second, 3), *_convolution(second, third, 3)]
    channels_in = third
    for channels, (levels, stride) in zip(trees, _TREES, strict=True):
        layers.append(_tree(channels_in, channels, levels, stride))
        channels_in = channels
    return nn.Sequential(*layers, Classifier(channels_in, classes))


def _tree(channels_in: int, channels: int, levels: int, stride: int) -> nn.Module:
    """A tree of 2 ** levels blocks; a tree of level 0 is a block."""
    if levels == 0:
        return BasicBlock(channels_in, channels, stride)
    left = _tree(channels_in, channels, levels - 1, stride)
    right = _tree(channels, channels, levels - 1, stride=1)
    return _Tree(left, right, channels)


class _Tree(nn.Module):
    """Two halves in a row and a root that joins what both give."""

    def __init__(self, left: nn.Module, right: nn.Module, channels: int) -> None:
        super().__init__()
        self.left, self.right = left, right
        self.root = nn.Sequential(*_convolution(2 * channels, channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C_in, H, W] to [N, C, H/stride, W/stride]."""
        lower = self.left(features)
        joined: Tensor = self.root(torch.cat([lower, self.right(lower)], 1))
        return joined


def _convolution(channels_in: int, channels: int, kernel: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels, kernel, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]

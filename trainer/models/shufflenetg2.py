"""ShuffleNet with 2 groups: grouped pointwise convolutions, shuffled between (Zhang et al. 2018).

A block that halves the image appends channels to its pooled input, so a stage has at least 8 more than the
one before. The pointwise convolutions squeeze what a block adds to a quarter.
"""

import torch
from torch import Tensor, nn

from trainer.models._blocks import Classifier, conv_norm, conv_norm_relu
from trainer.models._scale import Base, Shape, in_proportion

BASE = Base(channels=(200, 400, 800), blocks=(4, 8, 4))

_GROUPS, _STEM, _SQUEEZE = 2, 24, 4
_LEAST_ADDED = 8


def build(shape: Shape, classes: int) -> nn.Module:
    """The pointwise stem, the stages, each halving the image, and the classifier."""
    channels_in = in_proportion(_STEM, shape.channels[0], BASE.channels[0])
    layers = conv_norm_relu(3, channels_in, 1)
    for stage, (channels, blocks) in enumerate(zip(shape.channels, shape.blocks, strict=True)):
        added = max(_LEAST_ADDED, channels - channels_in)
        layers.append(_DownBlock(channels_in, added, first_groups=1 if stage == 0 else _GROUPS))
        channels_in += added
        layers += [_ResidualBlock(channels_in) for _ in range(blocks - 1)]
    return nn.Sequential(*layers, Classifier(channels_in, classes))


class _DownBlock(nn.Module):
    """Halves the image: new channels beside the pooled input."""

    def __init__(self, channels_in: int, added: int, first_groups: int) -> None:
        super().__init__()
        self.change = _make_bottleneck(channels_in, added, 2, first_groups)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] to [N, C + added, H/2, W/2]."""
        activated: Tensor = self.relu(torch.cat([self.change(features), self.pool(features)], 1))
        return activated


class _ResidualBlock(nn.Module):
    """A residual block that keeps the image's size and its channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = _make_bottleneck(channels, channels, 1, _GROUPS)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] to the same shape."""
        activated: Tensor = self.relu(features + self.change(features))
        return activated


def _make_bottleneck(channels_in: int, channels: int, stride: int, first_groups: int) -> nn.Module:
    inner = channels // _SQUEEZE
    depthwise = conv_norm_relu(inner, inner, 3, stride, groups=inner)  # its weights are drawn first
    return nn.Sequential(
        *conv_norm_relu(channels_in, inner, 1, groups=first_groups),
        nn.ChannelShuffle(first_groups),
        *depthwise,
        *conv_norm(inner, channels, 1, groups=_GROUPS),
    )

"""ShuffleNet with 2 groups: grouped pointwise convolutions, shuffled between (Zhang et al. 2018).

A block that halves the image adds channels to what it was given, pooled, so a
stage has at least 8 more than the one before. The pointwise convolutions
squeeze what a block adds to a quarter.
"""

import torch
from torch import Tensor, nn

from trainer.models._blocks import Classifier
from trainer.models._scale import Base, Shape, in_proportion

BASE = Base(channels=(200, 400, 800), blocks=(4, 8, 4))

_GROUPS, _STEM, _SQUEEZE = 2, 24, 4
_LEAST_ADDED = 8


def build(shape: Shape, classes: int) -> nn.Module:
    """The pointwise stem, the stages, each halving the image, and the classifier."""
    channels_in = in_proportion(_STEM, shape.channels[0], BASE.channels[0])
    layers: list[nn.Module] = _convolution(3, channels_in, activated=True)
    for stage, (channels, blocks) in enumerate(zip(shape.channels, shape.blocks, strict=True)):
        added = max(_LEAST_ADDED, channels - channels_in)
        layers.append(_Shrinking(channels_in, added, first_groups=1 if stage == 0 else _GROUPS))
        channels_in += added
        layers += [_Keeping(channels_in) for _ in range(blocks - 1)]
    return nn.Sequential(*layers, Classifier(channels_in, classes))


class _Shrinking(nn.Module):
    """Half the image's side: new channels beside the pooled ones that came in."""

    def __init__(self, channels_in: int, added: int, first_groups: int) -> None:
        super().__init__()
        self.change = _bottleneck(channels_in, added, 2, first_groups)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] to [N, C + added, H/2, W/2]."""
        activated: Tensor = self.relu(torch.cat([self.change(features), self.pool(features)], 1))
        return activated


class _Keeping(nn.Module):
    """A residual block that keeps the image's size and its channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = _bottleneck(channels, channels, 1, _GROUPS)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] to the same shape."""
        activated: Tensor = self.relu(features + self.change(features))
        return activated


def _bottleneck(channels_in: int, channels: int, stride: int, first_groups: int) -> nn.Module:
    inner = channels // _SQUEEZE
    depthwise = nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False)
    return nn.Sequential(
        *_convolution(channels_in, inner, first_groups, activated=True),
        nn.ChannelShuffle(first_groups),
        depthwise,
        nn.BatchNorm2d(inner),
        nn.ReLU(inplace=True),
        *_convolution(inner, channels, _GROUPS),
    )


def _convolution(
    channels_in: int, channels: int, groups: int = 1, activated: bool = False
) -> list[nn.Module]:
    pointwise = nn.Conv2d(channels_in, channels, 1, groups=groups, bias=False)
    return [pointwise, nn.BatchNorm2d(channels), *([nn.ReLU(inplace=True)] if activated else [])]

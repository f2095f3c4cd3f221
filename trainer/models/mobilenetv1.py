"""MobileNet: depthwise convolutions, each followed by a pointwise one (Howard et al. 2017).

For small images the stem keeps the resolution, so the network reduces it 16 times.
"""

from torch import nn

from trainer.models._blocks import Classifier, conv_norm_relu, stages
from trainer.models._scale import Base, Shape, in_proportion

BASE = Base(channels=(64, 128, 256, 512, 1024), blocks=(1, 2, 2, 6, 2))

_STEM = 32


def build(shape: Shape, classes: int) -> nn.Module:
    first = in_proportion(_STEM, shape.channels[0], BASE.channels[0])
    return nn.Sequential(
        *conv_norm_relu(3, first),
        stages(shape, _make_separable, channels_in=first),
        Classifier(shape.channels[-1], classes),
    )


def _make_separable(channels_in: int, channels: int, stride: int) -> nn.Module:
    depthwise = conv_norm_relu(channels_in, channels_in, 3, stride, groups=channels_in)
    return nn.Sequential(*depthwise, *conv_norm_relu(channels_in, channels, 1))

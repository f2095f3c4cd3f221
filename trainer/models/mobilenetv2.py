"""MobileNet V2: inverted residuals with linear bottlenecks (Sandler et al. 2018).

torchvision's blocks, with the stem and the second stage at full resolution, so that the network reduces it 8
times. No dropout: regularisation is the recipe's.
"""

from torch import nn

from trainer.models._blocks import Classifier, conv_norm
from trainer.models._scale import Base, Shape, in_proportion

BASE = Base(channels=(16, 24, 32, 64, 96, 160, 320), blocks=(1, 2, 3, 4, 3, 3, 1))

_STEM, _HEAD = 32, 1280
_STAGES = ((1, 1), (6, 1), (6, 2), (6, 2), (6, 1), (6, 2), (6, 1))  # expansion, stride


def build(shape: Shape, classes: int) -> nn.Module:
    from torchvision.models.mobilenetv2 import InvertedResidual

    channels_in = in_proportion(_STEM, shape.channels[0], BASE.channels[0])
    layers: list[nn.Module] = [*conv_norm(3, channels_in), nn.ReLU6(inplace=True)]
    for (expansion, stride), channels, blocks in zip(_STAGES, shape.channels, shape.blocks, strict=True):
        for index in range(blocks):
            layers.append(InvertedResidual(channels_in, channels, stride if index == 0 else 1, expansion))
            channels_in = channels
    head = in_proportion(_HEAD, shape.channels[-1], BASE.channels[-1])
    last = [*conv_norm(channels_in, head, 1), nn.ReLU6(inplace=True)]
    return nn.Sequential(*layers, *last, Classifier(head, classes))

"""ResNeXt-29, 2x64d: bottlenecks whose 3x3 convolutions are in two groups (Xie et al. 2017).

Its channels are a group's, 64 in the first stage; a stage gives four times as
many. Three stages, so the whole reduces the image 4 times.
"""

from torch import nn

from trainer.models import _bottleneck
from trainer.models._scale import Base, Shape

BASE = Base(channels=(64, 128, 256), blocks=(3, 3, 3))


def build(shape: Shape, classes: int) -> nn.Module:
    """The network of a shape."""
    return _bottleneck.build(shape, classes, groups=2)

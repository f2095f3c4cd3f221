"""ResNet-50 with a stem for small images (He et al. 2016).

Its channels are those of the 3x3 convolutions; a stage gives four times as many.
"""

from torch import nn

from trainer.models import _bottleneck
from trainer.models._scale import Base, Shape

BASE = Base(channels=(64, 128, 256, 512), blocks=(3, 4, 6, 3))


def build(shape: Shape, classes: int) -> nn.Module:
    """The network of a shape."""
    return _bottleneck.build(shape, classes)

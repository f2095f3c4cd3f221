"""ResNet-18 with a stem for small images (He et al. 2016).

A 3x3 stem of stride 1 without pooling, as is usual for CIFAR: 11.17 million
parameters and 0.555 GMACs at 32x32.
"""

from torch import nn

from trainer.models._blocks import BasicBlock, Classifier, stages, stem
from trainer.models._scale import Base, Shape

BASE = Base(channels=(64, 128, 256, 512), blocks=(2, 2, 2, 2))


def build(shape: Shape, classes: int) -> nn.Module:
    """The stem, the stages and the classifier."""
    return nn.Sequential(
        *stem(shape.channels[0]), stages(shape, BasicBlock), Classifier(shape.channels[-1], classes)
    )

"""ResNet-18 with a stem for small images (He et al. 2016).

The stem is a 3x3 convolution of stride 1 without pooling, as is usual for CIFAR: 11.17 million parameters and
0.555 GMACs at 32x32.
"""

from torch import nn

from trainer.models._blocks import BasicBlock, Classifier, conv_norm_relu, stages
from trainer.models._scale import Base, Shape

BASE = Base(channels=(64, 128, 256, 512), blocks=(2, 2, 2, 2))


def build(shape: Shape, classes: int) -> nn.Module:
    stem = conv_norm_relu(3, shape.channels[0])
    return nn.Sequential(*stem, stages(shape, BasicBlock), Classifier(shape.channels[-1], classes))

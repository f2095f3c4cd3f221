"""PreAct-ResNet-18 for small images: norm and activation before each convolution (He et al. 2016b).

As in the usual networks for CIFAR, no norm follows the last stage. The norm and activation of the stem are
those of the first block.
"""

from torch import nn

from trainer.models._blocks import Classifier, PreActivationBlock, conv, stages
from trainer.models._scale import Base, Shape

BASE = Base(channels=(64, 128, 256, 512), blocks=(2, 2, 2, 2))


def build(shape: Shape, classes: int) -> nn.Module:
    stem = conv(3, shape.channels[0])
    return nn.Sequential(stem, stages(shape, PreActivationBlock), Classifier(shape.channels[-1], classes))

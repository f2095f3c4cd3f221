"""PreAct-ResNet-18 for small images: norm and activation before each convolution (He et al. 2016b).

As in the networks usual for CIFAR, nothing normalises the last stage's sum;
the stem's norm and activation are the first block's own.
"""

from torch import nn

from trainer.models._blocks import Classifier, PreActivationBlock, conv3x3, stages
from trainer.models._scale import Base, Shape

BASE = Base(channels=(64, 128, 256, 512), blocks=(2, 2, 2, 2))


def build(shape: Shape, classes: int) -> nn.Module:
    """The stem's convolution, the stages and the classifier."""
    return nn.Sequential(
        conv3x3(3, shape.channels[0]),
        stages(shape, PreActivationBlock),
        Classifier(shape.channels[-1], classes),
    )

"""ResNet-110 for small images: three thin stages of 18 blocks (He et al. 2016, section 4.2)."""

from torch import nn

from trainer.models._blocks import BasicBlock, Classifier, stages, stem
from trainer.models._scale import Base, Shape

BASE = Base(channels=(16, 32, 64), blocks=(18, 18, 18))


def build(shape: Shape, classes: int) -> nn.Module:
    """The stem, the stages and the classifier; shortcuts that change size are projections."""
    return nn.Sequential(
        *stem(shape.channels[0]), stages(shape, BasicBlock), Classifier(shape.channels[-1], classes)
    )

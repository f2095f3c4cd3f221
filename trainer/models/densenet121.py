"""DenseNet-121: every layer sees all before it in its stage (Huang et al. 2017).

torchvision's, with a stem of one 3x3 convolution of stride 1 without pooling. Its channels are the growth
rate, the same 32 in every stage, so width moves in steps of a quarter.
"""

from torch import nn

from trainer.models._blocks import Classifier, conv
from trainer.models._scale import Base, Shape

BASE = Base(channels=(32, 32, 32, 32), blocks=(6, 12, 24, 16))


def build(shape: Shape, classes: int) -> nn.Module:
    from torchvision.models import DenseNet

    growth = shape.channels[0]
    dense = DenseNet(growth, shape.blocks, num_init_features=2 * growth, num_classes=classes)
    dense.features.conv0 = conv(3, 2 * growth)
    dense.features.pool0 = nn.Identity()
    classifier = Classifier(dense.classifier.in_features, classes)
    return nn.Sequential(dense.features, nn.ReLU(inplace=True), classifier)

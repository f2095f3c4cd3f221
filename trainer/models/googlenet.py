"""GoogLeNet: modules of four parallel branches (Szegedy et al. 2015).

torchvision's modules with batch norm, two 3x3 convolutions where the paper has one 5x5, and one for the stem,
as is usual for CIFAR. Its channels are those of each stage's widest branch. The other branches keep their
proportion to it.
"""

from torch import nn

from trainer.models._blocks import Classifier, conv_norm_relu
from trainer.models._scale import Base, Shape, in_proportion

BASE = Base(channels=(192, 320, 384), blocks=(2, 5, 2))
FIXED = {"depth": "each of its nine modules has branches of its own widths"}

_STEM = 192
# the paper's table 1, stage by stage: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool
_MODULES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


def build(shape: Shape, classes: int) -> nn.Module:
    from torchvision.models.googlenet import Inception
    from torchvision.ops import Conv2dNormActivation

    channels_in = in_proportion(_STEM, shape.channels[0], BASE.channels[0])
    layers = conv_norm_relu(3, channels_in)
    for stage, modules in enumerate(_MODULES):
        if stage > 0:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
        for branches in modules:
            widths = [in_proportion(width, shape.channels[stage], BASE.channels[stage]) for width in branches]
            module = Inception(channels_in, *widths, conv_block=Conv2dNormActivation)
            module.branch3.append(Conv2dNormActivation(widths[4], widths[4]))
            layers.append(module)
            channels_in = widths[0] + widths[2] + widths[4] + widths[5]
    return nn.Sequential(*layers, Classifier(channels_in, classes))

"""RegNetX-200MF: widths and depths along a quantised line, groups of 8 channels (Radosavovic et al. 2020).

torchvision's, with the stem and the first two stages at full resolution.
"""

from torch import nn

from trainer.models._scale import Base, Shape, in_proportion
from trainer.models._small_input import fit_small_input

BASE = Base(channels=(24, 56, 152, 368), blocks=(1, 1, 4, 7))

_STEM, _GROUP_WIDTH = 32, 8


def build(shape: Shape, classes: int) -> nn.Module:
    """Widths are multiples of 8, so every group has 8 channels."""
    from torchvision.models.regnet import BlockParams, RegNet

    stages = len(shape.channels)
    params = BlockParams(
        depths=list(shape.blocks),
        widths=list(shape.channels),
        group_widths=[_GROUP_WIDTH] * stages,
        bottleneck_multipliers=[1.0] * stages,
        strides=[2] * stages,
    )
    stem = in_proportion(_STEM, shape.channels[0], BASE.channels[0])
    return fit_small_input(RegNet(params, num_classes=classes, stem_width=stem), reduction=4)

"""ShuffleNet V2: half the channels pass each block, then are shuffled among the others (Ma et al. 2018).

torchvision's, with the stem at full resolution. The first stage has 120 channels, not the paper's 116,
because every stage has a multiple of 8.
"""

from torch import nn

from trainer.models._scale import Base, Shape, in_proportion
from trainer.models._small_input import fit_small_input

BASE = Base(channels=(116, 232, 464), blocks=(4, 8, 4))

_STEM, _HEAD = 24, 1024


def build(shape: Shape, classes: int) -> nn.Module:
    from torchvision.models import ShuffleNetV2

    first = in_proportion(_STEM, shape.channels[0], BASE.channels[0])
    last = in_proportion(_HEAD, shape.channels[-1], BASE.channels[-1])
    network = ShuffleNetV2(list(shape.blocks), [first, *shape.channels, last], num_classes=classes)
    return fit_small_input(network, reduction=8)

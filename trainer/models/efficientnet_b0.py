"""EfficientNet-B0: inverted bottlenecks with squeeze-and-excitation (Tan and Le 2019).

torchvision's, with the stem at full resolution, so that the network reduces it 16 times. Dropout and
stochastic depth are off: regularisation is the recipe's.
"""

from torch import nn

from trainer.models._scale import Base, Shape, in_proportion
from trainer.models._small_input import fit_small_input

BASE = Base(channels=(16, 24, 40, 80, 112, 192, 320), blocks=(1, 2, 2, 3, 3, 4, 1))

_STEM, _HEAD = 32, 1280
_EXPANSIONS, _KERNELS, _STRIDES = (1, 6, 6, 6, 6, 6, 6), (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1)


def build(shape: Shape, classes: int) -> nn.Module:
    from torchvision.models.efficientnet import EfficientNet, MBConvConfig

    stem = in_proportion(_STEM, shape.channels[0], BASE.channels[0])
    head = in_proportion(_HEAD, shape.channels[-1], BASE.channels[-1])
    before = (stem, *shape.channels[:-1])
    stages = zip(_EXPANSIONS, _KERNELS, _STRIDES, before, shape.channels, shape.blocks, strict=True)
    network = EfficientNet(
        [MBConvConfig(*stage) for stage in stages],
        dropout=0.0,
        stochastic_depth_prob=0.0,
        num_classes=classes,
        last_channel=head,
    )
    return fit_small_input(network, reduction=16)

"""EfficientNet-B0: inverted bottlenecks with squeeze-and-excitation (Tan and Le 2019).

torchvision's, its stem at full resolution, so the whole reduces it 16 times.
Dropout and stochastic depth are off: regularisation is the recipe's.
"""

from torch import nn

from trainer.models._scale import Base, Shape, in_proportion
from trainer.models._small_input import fitted

BASE = Base(channels=(16, 24, 40, 80, 112, 192, 320), blocks=(1, 2, 2, 3, 3, 4, 1))

_STEM, _HEAD = 32, 1280
_STAGES = (
    (1, 3, 1),
    (6, 3, 2),
    (6, 5, 2),
    (6, 3, 2),
    (6, 5, 1),
    (6, 5, 2),
    (6, 3, 1),
)  # expansion, kernel, stride


def build(shape: Shape, classes: int) -> nn.Module:
    """The network of a shape."""
    from torchvision.models.efficientnet import EfficientNet, MBConvConfig

    before = [in_proportion(_STEM, shape.channels[0], BASE.channels[0]), *shape.channels]
    settings = [
        MBConvConfig(*stage, channels_in, channels, blocks)
        for stage, channels_in, channels, blocks in zip(
            _STAGES, before, shape.channels, shape.blocks, strict=False
        )
    ]
    head = in_proportion(_HEAD, shape.channels[-1], BASE.channels[-1])
    network = EfficientNet(
        settings, dropout=0.0, stochastic_depth_prob=0.0, num_classes=classes, last_channel=head
    )
    return fitted(network, reduction=16)

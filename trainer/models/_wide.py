"""Wide residual networks (Zagoruyko and Komodakis 2016): WRN-depth-k has stages of 16k, 32k and 64k channels.

WRN of depth d has (d - 4) / 6 pre-activation blocks per stage. The stem has 16 channels for any k, and scales
with the first stage.
"""

from torch import nn

from trainer.models._blocks import Classifier, PreActivationBlock, conv, stages
from trainer.models._scale import Base, Shape, in_proportion

_STEM = 16


def make_base(depth: int, k: int) -> Base:
    """Channels and blocks of WRN-depth-k."""
    return Base(channels=(16 * k, 32 * k, 64 * k), blocks=((depth - 4) // 6,) * 3)


def build(shape: Shape, classes: int, base: Base) -> nn.Module:
    """The stem's convolution, the stages, their last norm and activation, and the classifier."""
    first = in_proportion(_STEM, shape.channels[0], base.channels[0])
    return nn.Sequential(
        conv(3, first),
        stages(shape, PreActivationBlock, channels_in=first),
        nn.BatchNorm2d(shape.channels[-1]),
        nn.ReLU(inplace=True),
        Classifier(shape.channels[-1], classes),
    )

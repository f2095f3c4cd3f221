"""DPN-92: residual and dense paths side by side (Chen et al. 2017).

timm's blocks with a stem for small images. Its channels are the residual
path's; the grouped 3x3 convolutions keep their 32 groups, so their width moves
in steps of 32, and the dense path grows in proportion.
"""

from torch import nn

from trainer.models._blocks import Classifier, stem
from trainer.models._scale import Base, Shape, in_proportion

BASE = Base(channels=(256, 512, 1024, 2048), blocks=(3, 4, 20, 3))

_STEM, _GROUPS = 64, 32
_GROWTH = (16, 32, 24, 128)  # channels that a block adds to the dense path


def build(shape: Shape, classes: int) -> nn.Module:
    """The stem, the dual path blocks, their last norm and activation, and the classifier."""
    from timm.models.dpn import DualPathBlock

    channels_in = in_proportion(_STEM, shape.channels[0], BASE.channels[0])
    layers = stem(channels_in)
    for stage, (channels, blocks) in enumerate(zip(shape.channels, shape.blocks, strict=True)):
        growth = in_proportion(_GROWTH[stage], channels, BASE.channels[stage])
        inner = _GROUPS * max(1, round(channels * 3 / 8 / _GROUPS))
        first = "proj" if stage == 0 else "down"
        for index in range(blocks):
            kind = first if index == 0 else "normal"
            layers.append(DualPathBlock(channels_in, inner, inner, channels, growth, _GROUPS, kind))
            channels_in = channels + 3 * growth if index == 0 else channels_in + growth
    last = [nn.BatchNorm2d(channels_in), nn.ReLU(inplace=True)]
    return _plain(nn.Sequential(*layers, *last, Classifier(channels_in, classes)))


def _plain(network: nn.Module) -> nn.Module:
    """`network` itself, timm's norms with an activation in them taken apart into the two."""
    from timm.layers import BatchNormAct2d

    for parent in list(network.modules()):
        for name, norm in parent.named_children():
            if isinstance(norm, BatchNormAct2d):
                plain = nn.BatchNorm2d(norm.num_features, eps=norm.eps, momentum=norm.momentum)
                setattr(parent, name, nn.Sequential(plain, norm.act))
    return network

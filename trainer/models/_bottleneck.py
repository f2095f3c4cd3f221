"""Residual networks of torchvision's bottlenecks: 1x1, 3x3 in groups, 1x1 to four times the channels."""

from torch import nn

from trainer.models._blocks import Classifier, conv_norm, conv_norm_relu, stages
from trainer.models._scale import Shape

_EXPANSION = 4


def build(shape: Shape, classes: int, groups: int = 1) -> nn.Module:
    """The stem, the stages and the classifier. A stage's channels are those of one group of its 3x3."""
    from torchvision.models.resnet import Bottleneck

    def make_block(channels_in: int, channels: int, stride: int) -> nn.Module:
        channels_out = channels * _EXPANSION
        shortcut: nn.Module | None = None
        if stride != 1 or channels_in != channels_out:
            shortcut = nn.Sequential(*conv_norm(channels_in, channels_out, 1, stride))
        bottleneck: nn.Module = Bottleneck(channels_in, channels, stride, shortcut, groups=groups)
        return bottleneck

    first = shape.channels[0]
    return nn.Sequential(
        *conv_norm_relu(3, first),
        stages(shape, make_block, channels_in=first, expansion=_EXPANSION),
        Classifier(shape.channels[-1] * _EXPANSION, classes),
    )

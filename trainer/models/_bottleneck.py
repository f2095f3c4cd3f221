"""torchvision's bottleneck block as a stage's block: 1x1, grouped 3x3, 1x1 to four times the channels."""

from torch import nn

from trainer.models._blocks import Classifier, stages, stem
from trainer.models._scale import Shape, in_proportion

_STEM, _EXPANSION = 64, 4


def build(shape: Shape, classes: int, first_stage: int, groups: int = 1, group_width: int = 64) -> nn.Module:
    """A residual network whose stages are named by a 64th of `groups * group_width` times their inner width.

    `first_stage` is the first stage's channels at scale 1, which the stem scales with.
    """
    from torchvision.models.resnet import Bottleneck

    def block(channels_in: int, channels: int, stride: int) -> nn.Module:
        channels_out = channels * _EXPANSION
        shortcut: nn.Module | None = None
        if stride != 1 or channels_in != channels_out:
            shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )
        return Bottleneck(channels_in, channels, stride, shortcut, groups=groups, base_width=group_width)

    first = in_proportion(_STEM, shape.channels[0], first_stage)
    return nn.Sequential(
        *stem(first),
        stages(shape, block, channels_in=first, expansion=_EXPANSION),
        Classifier(shape.channels[-1] * _EXPANSION, classes),
    )

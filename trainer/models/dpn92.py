"""DPN-92: residual and dense paths side by side (Chen et al. 2017).

Its channels are those of the residual path. The grouped 3x3 convolutions keep their 32 groups, so their width
moves in steps of 32, and the dense path grows in proportion. timm's version is not used: its blocks fuse norm
and activation into one module, and their output differs between versions.
"""

import torch
from torch import Tensor, nn

from trainer.models._blocks import Classifier, conv, conv_norm_relu
from trainer.models._scale import Base, Shape, in_proportion

BASE = Base(channels=(256, 512, 1024, 2048), blocks=(3, 4, 20, 3))

_STEM, _GROUPS = 64, 32
_GROWTH = (16, 32, 24, 128)  # channels that a block adds to the dense path


def build(shape: Shape, classes: int) -> nn.Module:
    channels_in = in_proportion(_STEM, shape.channels[0], BASE.channels[0])
    layers = conv_norm_relu(3, channels_in)
    for stage, (channels, blocks) in enumerate(zip(shape.channels, shape.blocks, strict=True)):
        growth = in_proportion(_GROWTH[stage], channels, BASE.channels[stage])
        for index in range(blocks):
            stride = 2 if stage > 0 and index == 0 else 1
            layers.append(_DualPathBlock(channels_in, channels, growth, stride, first=index == 0))
            channels_in = channels + 3 * growth if index == 0 else channels_in + growth
    last = [nn.BatchNorm2d(channels_in), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *last, Classifier(channels_in, classes))


class _DualPathBlock(nn.Module):
    """A bottleneck whose output is added to the residual path and appended to the dense one.

    One tensor holds both paths, the residual path first. The `first` block of a stage projects its input to
    the stage's residual channels and twice the growth.
    """

    def __init__(self, channels_in: int, channels: int, growth: int, stride: int, first: bool) -> None:
        super().__init__()
        self.channels = channels
        inner = _GROUPS * max(1, round(channels * 3 / 8 / _GROUPS))
        self.change = nn.Sequential(
            *_norm_relu_conv(channels_in, inner, 1),
            *_norm_relu_conv(inner, inner, 3, stride, _GROUPS),
            *_norm_relu_conv(inner, channels + growth, 1),
        )
        self.projection: nn.Module = nn.Identity()
        if first:
            self.projection = nn.Sequential(*_norm_relu_conv(channels_in, channels + 2 * growth, 1, stride))

    def forward(self, paths: Tensor) -> Tensor:
        """[N, C_in, H, W] to [N, C_in + growth, H, W], or the first block's channels at H/stride."""
        kept, change = self.projection(paths), self.change(paths)
        residual = kept[:, : self.channels] + change[:, : self.channels]
        return torch.cat([residual, kept[:, self.channels :], change[:, self.channels :]], 1)


def _norm_relu_conv(
    channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    convolution = conv(channels_in, channels, kernel, stride, groups)
    return [nn.BatchNorm2d(channels_in), nn.ReLU(inplace=True), convolution]

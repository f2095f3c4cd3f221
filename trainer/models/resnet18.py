"""ResNet-18 with a stem for small images (He et al. 2016).

A 3x3 stem of stride 1 without pooling, as is usual for CIFAR: 11.17 million
parameters and 0.555 GMACs at 32x32.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from trainer.models._blocks import Classifier, conv3x3, stages
from trainer.models._scale import Base, Shape

BASE = Base(channels=(64, 128, 256, 512), blocks=(2, 2, 2, 2))


def build(shape: Shape, classes: int) -> nn.Module:
    """The stem, the stages and the classifier."""
    return nn.Sequential(
        conv3x3(3, shape.channels[0]),
        nn.BatchNorm2d(shape.channels[0]),
        nn.ReLU(inplace=True),
        stages(shape, BasicBlock),
        Classifier(shape.channels[-1], classes),
    )


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut, activated after the sum."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels_in, channels, stride)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C_in, H, W] to [N, C, H/stride, W/stride]."""
        change = F.relu(self.norm1(self.conv1(features)))
        return F.relu(self.norm2(self.conv2(change)) + self.shortcut(features))

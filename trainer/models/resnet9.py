"""ResNet-9: four convolutions with pooling between, two of them followed by a residual block (Page 2018).

The network of the short CIFAR-10 trainings (D. Page, "How to train your ResNet"; DAWNBench). Its stages hold
0, 1, 0 and 1 residual blocks, so depth counts those two and starts at 1. The last pooling is a maximum over
the image, and the logits are an eighth of the linear layer's output.
"""

from torch import Tensor, nn

from trainer.models._blocks import conv_norm_relu
from trainer.models._scale import Base, Shape

BASE = Base(channels=(64, 128, 256, 512), blocks=(0, 1, 0, 1))

_LOGIT_SCALE = 0.125


def build(shape: Shape, classes: int) -> nn.Module:
    layers: list[nn.Module] = []
    channels_in = 3
    for stage, (channels, blocks) in enumerate(zip(shape.channels, shape.blocks, strict=True)):
        layers += conv_norm_relu(channels_in, channels)
        if stage > 0:
            layers.append(nn.MaxPool2d(2))
        layers += [_Residual(channels) for _ in range(blocks)]
        channels_in = channels
    return nn.Sequential(*layers, _Classifier(channels_in, classes))


class _Residual(nn.Module):
    """Two convolutions, each with norm and activation, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(*conv_norm_relu(channels, channels), *conv_norm_relu(channels, channels))

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] to the same shape."""
        total: Tensor = features + self.change(features)
        return total


class _Classifier(nn.Module):
    """The maximum over the image, and an eighth of one linear layer without bias."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] to logits [N, classes]."""
        logits: Tensor = self.linear(features.amax((2, 3)))
        return _LOGIT_SCALE * logits

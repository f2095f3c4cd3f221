"""SENet-18 for small images: pre-activation blocks with squeeze-and-excitation (Hu et al. 2018).

The network that the NOMAD paper starts from: ResNet-18's stages in pre-activation order (He et al. 2016b),
each block with a squeeze to 1/16 of its channels; 11.26 million parameters and 0.5555 GMACs at 32x32. As in
the usual networks for CIFAR, no norm follows the last stage.
"""

from torch import Tensor, nn

from trainer.models._blocks import Classifier, conv, conv_norm_relu, stages
from trainer.models._scale import Base, Shape

BASE = Base(channels=(64, 128, 256, 512), blocks=(2, 2, 2, 2))

_REDUCTION = 16
_SMALLEST_SQUEEZE = 4  # that of the base at 64 channels; fewer could not tell channels apart


def build(shape: Shape, classes: int) -> nn.Module:
    stem = conv_norm_relu(3, shape.channels[0])
    return nn.Sequential(*stem, stages(shape, GatedBlock), Classifier(shape.channels[-1], classes))


class GatedBlock(nn.Module):
    """Norm and activation before each of two convolutions, a gate on the channels, and a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        squeezed = max(_SMALLEST_SQUEEZE, channels // _REDUCTION)
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = conv(channels_in, channels, stride=stride)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels)
        self.squeeze = nn.Linear(channels, squeezed)
        self.excite = nn.Linear(squeezed, channels)
        self.relu = nn.ReLU(inplace=True)
        self.sigmoid = nn.Sigmoid()
        self.shortcut: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            self.shortcut = conv(channels_in, channels, 1, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C_in, H, W] to [N, C, H/stride, W/stride]."""
        active = self.relu(self.norm1(features))
        kept = features if self.shortcut is None else self.shortcut(active)
        change = self.conv2(self.relu(self.norm2(self.conv1(active))))
        gate = self.sigmoid(self.excite(self.relu(self.squeeze(change.mean((2, 3))))))
        total: Tensor = kept + change * gate[:, :, None, None]
        return total

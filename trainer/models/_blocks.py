"""The parts that several networks share.

Activations and norms are always modules, never calls of `torch.nn.functional`, because training techniques
replace them by kind.
"""

from collections.abc import Callable

from torch import Tensor, nn

from trainer.models._scale import Shape

Block = Callable[[int, int, int], nn.Module]  # channels in, channels of the stage, stride


def conv(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the image's size at stride 1. The kernel is odd."""
    return nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)


def conv_norm(
    channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """A convolution and its batch norm."""
    return [conv(channels_in, channels_out, kernel, stride, groups), nn.BatchNorm2d(channels_out)]


def conv_norm_relu(
    channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """A convolution, its batch norm and its activation. With 3 input channels, the stem of small images."""
    return [*conv_norm(channels_in, channels_out, kernel, stride, groups), nn.ReLU(inplace=True)]


def stages(shape: Shape, block: Block, channels_in: int | None = None, expansion: int = 1) -> nn.Sequential:
    """All blocks in a row. Every stage but the first halves the image.

    channels_in: of the first block; by default the first stage's channels
    expansion: a block returns this many times its stage's channels
    """
    blocks: list[nn.Module] = []
    before = shape.channels[0] if channels_in is None else channels_in
    for stage, (channels, count) in enumerate(zip(shape.channels, shape.blocks, strict=True)):
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(block(before, channels, stride))
            before = channels * expansion
    return nn.Sequential(*blocks)


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut, with the last activation after the sum (He et al. 2016)."""

    def __init__(self, channels_in: int, channels: int, stride: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv1 = conv(channels_in, channels, kernel, stride)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, kernel)
        self.norm2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(*conv_norm(channels_in, channels, 1, stride))

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C_in, H, W] to [N, C, H/stride, W/stride]."""
        change = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(features)))))
        activated: Tensor = self.relu(change + self.shortcut(features))
        return activated


class PreActivationBlock(nn.Module):
    """Norm and activation before each of two convolutions, and a shortcut (He et al. 2016b)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = conv(channels_in, channels, stride=stride)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            self.shortcut = conv(channels_in, channels, 1, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C_in, H, W] to [N, C, H/stride, W/stride]."""
        active = self.relu(self.norm1(features))
        kept = features if self.shortcut is None else self.shortcut(active)
        total: Tensor = kept + self.conv2(self.relu(self.norm2(self.conv1(active))))
        return total


class Classifier(nn.Module):
    """The mean over the image, and one linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] to logits [N, classes]."""
        logits: Tensor = self.linear(features.mean((2, 3)))
        return logits

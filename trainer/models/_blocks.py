"""What the residual networks share: the 3x3 convolution, the stages, the classifier."""

from collections.abc import Callable

from torch import Tensor, nn

from trainer.models._scale import Shape

Block = Callable[[int, int, int], nn.Module]  # channels in, channels out, stride


def conv3x3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    """Keeps the size at stride 1; no bias, for a batch norm follows or precedes."""
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)


def stages(shape: Shape, block: Block) -> nn.Sequential:
    """All blocks in a row; every stage but the first halves the image."""
    blocks: list[nn.Module] = []
    channels_in = shape.channels[0]
    for stage, (channels, count) in enumerate(zip(shape.channels, shape.blocks, strict=True)):
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(block(channels_in, channels, stride))
            channels_in = channels
    return nn.Sequential(*blocks)


class Classifier(nn.Module):
    """The mean over the image, whatever its size, and one linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] to logits [N, classes]."""
        logits: Tensor = self.linear(features.mean((2, 3)))
        return logits

"""ResNets of free settings, made to be chosen under a parameter limit (Zhang, Liu and Zuo).

"Optimization of Residual Network with given budget" names a network by N, B_i, C_1, F, K and P, here
`layers`, `blocks`, `channels`, `stem_kernel`, `kernel` and `pooling`. Its sizes are exactly those of the
paper's tables 1 and 3. As in the paper the pooling size changes no parameters: the pooled image is averaged,
so it matters only where it does not divide the last stage's image.
"""

from dataclasses import dataclass
from functools import partial

from torch import nn

from trainer.models._blocks import BasicBlock, Classifier, conv_norm_relu, stages
from trainer.models._scale import WIDTH_STEP, Base, Shape

BASE = Base(channels=(32, 64, 128, 256), blocks=(2, 2, 2, 2))  # of the default settings


@dataclass(frozen=True)
class Architecture:
    """The paper's settings, and its baseline by default.

    layers: N, the stages, 1 to 4; each after the first halves the image and doubles the channels
    blocks: B_i, the residual blocks of each stage
    channels: C_1, those of the stem and the first stage, a multiple of 8
    stem_kernel, kernel: F and K, pixels a side, odd, of the stem and of the blocks' convolutions
    pooling: P, pixels a side, at most the last stage's image
    """

    layers: int = 4
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    channels: int = 32
    stem_kernel: int = 3
    kernel: int = 3
    pooling: int = 4

    def __post_init__(self) -> None:
        _check_whole("layers", self.layers, 1, 4)
        if not isinstance(self.blocks, tuple) or len(self.blocks) != self.layers:
            raise ValueError(f"blocks {self.blocks!r} must be a list of {self.layers} numbers, one a layer")
        for count in self.blocks:
            _check_whole("a number of blocks", count, 1, 64)
        _check_whole("channels", self.channels, WIDTH_STEP, 1024)
        if self.channels % WIDTH_STEP:
            raise ValueError(f"channels {self.channels} must be a multiple of {WIDTH_STEP}")
        for name in ("stem_kernel", "kernel"):
            _check_whole(name, getattr(self, name), 1, 9)
            if getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} {getattr(self, name)} must be odd, so that images keep their size")
        _check_whole("pooling", self.pooling, 1, 128)

    @property
    def base(self) -> Base:
        """Channels and blocks at scale 1."""
        return Base(tuple(self.channels * 2**stage for stage in range(self.layers)), self.blocks)


def build(shape: Shape, classes: int) -> nn.Module:
    chosen = shape.architecture if isinstance(shape.architecture, Architecture) else Architecture()
    pixels = shape.resolution
    for _ in shape.blocks[1:]:
        pixels = (pixels + 1) // 2
    return nn.Sequential(
        *conv_norm_relu(3, shape.channels[0], chosen.stem_kernel),
        stages(shape, partial(BasicBlock, kernel=chosen.kernel)),
        nn.AvgPool2d(min(chosen.pooling, pixels)),
        Classifier(shape.channels[-1], classes),
    )


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r}")

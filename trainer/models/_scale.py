"""From multipliers to whole channels, blocks and pixels. Pure arithmetic, without torch.

Depth is spread over the stages by a divisor method (Sainte-Laguë, one block a
stage first). It is house-monotone: a larger total never takes a block from a
stage, so every total is a network of its own. Rounding each stage by itself,
as is usual, makes one network of several depths.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from trainer.errors import InvalidConfig

SMALLEST_RESOLUTION, LARGEST_RESOLUTION = 8, 128  # pixels a side
WIDTH_STEP = 8  # channels
_FUZZ = 1e-9  # what floating point may lack of a tie


@dataclass(frozen=True)
class Base:
    """A network at scale 1: channels and blocks of each stage."""

    channels: tuple[int, ...]
    blocks: tuple[int, ...]


class Architecture(Protocol):
    """Settings of a family of base networks: a frozen dataclass with defaults, checked at birth."""

    @property
    def base(self) -> Base:
        """The network that the settings mean at scale 1."""


@dataclass(frozen=True)
class Shape:
    """A realised network: channels and blocks of each stage, and the pixels a side of its input.

    architecture: the settings of the base, where its family has some; `channels` and `blocks`
        are already what the multipliers made of them
    source: changes with the file of a network of the user's own; None for the others
    """

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    resolution: int
    architecture: Architecture | None = None
    source: str | None = None


def realise(base: Base, depth: float, width: float, resolution: float, image_size: int) -> Shape:
    """The network that multipliers of a base mean for images of `image_size`. Raises Refused."""
    return Shape(
        channels=tuple(scaled_channels(channels, width) for channels in base.channels),
        blocks=scaled_blocks(base.blocks, depth),
        resolution=scaled_resolution(image_size, resolution),
    )


def scaled_channels(channels: int, width: float) -> int:
    """The nearest multiple of 8, ties upwards, at least 8."""
    return max(WIDTH_STEP, WIDTH_STEP * _rounded(channels * width / WIDTH_STEP))


def in_proportion(channels: int, scaled: int, base: int) -> int:
    """Channels of a layer beside a stage, where the stage has `scaled` instead of `base` channels."""
    return scaled_channels(channels, scaled / base)


def scaled_blocks(blocks: tuple[int, ...], depth: float) -> tuple[int, ...]:
    """round(depth * all blocks) blocks, spread over the stages as the base's are.

    A tie goes to the earlier stage; a stage without blocks stays so. Raises Refused below one
    block in each of the others.
    """
    total = _rounded(depth * sum(blocks))
    spread = [min(1, base) for base in blocks]
    stages = sum(spread)
    if total < stages:
        raise InvalidConfig(
            f"depth {depth:g} leaves {total} blocks for {stages} stages; "
            f"give at least {(stages - 0.5) / sum(blocks):g}"
        )
    for _ in range(total - stages):
        claims = [base / (2 * given + 1) for base, given in zip(blocks, spread, strict=True)]
        spread[claims.index(max(claims))] += 1
    return tuple(spread)


def scaled_resolution(image_size: int, resolution: float) -> int:
    """Pixels a side. Raises Refused outside 8 to 128."""
    pixels = _rounded(image_size * resolution)
    if not SMALLEST_RESOLUTION <= pixels <= LARGEST_RESOLUTION:
        raise InvalidConfig(
            f"resolution {resolution:g} of {image_size}-pixel images is {pixels} pixels; it must be "
            f"from {SMALLEST_RESOLUTION} to {LARGEST_RESOLUTION}: change resolution or image_size"
        )
    return pixels


def _rounded(value: float) -> int:
    """To the nearest whole number, ties upwards; Python's round() takes ties to even."""
    return math.floor(value + 0.5 + _FUZZ)

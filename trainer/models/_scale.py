"""From multipliers to whole channels, blocks and pixels, without torch.

Depth is distributed over the stages by a divisor method (Sainte-Laguë, after one block per stage). A larger
total never takes a block from a stage, so every total gives a different network. The usual rounding of each
stage by itself would give the same network for several depths.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from trainer.errors import InvalidConfig

SMALLEST_RESOLUTION, LARGEST_RESOLUTION = 8, 128  # pixels a side
WIDTH_STEP = 8  # channels
_FUZZ = 1e-9  # tolerance of floating point at a tie


@dataclass(frozen=True)
class Base:
    """A network at scale 1: channels and blocks of each stage."""

    channels: tuple[int, ...]
    blocks: tuple[int, ...]


class Architecture(Protocol):
    """Settings of a family of base networks: a frozen dataclass with defaults, which checks itself."""

    @property
    def base(self) -> Base:
        """The network of these settings at scale 1."""


@dataclass(frozen=True)
class Shape:
    """A scaled network: channels and blocks of each stage, and the side of its input in pixels.

    architecture: the settings of the base, if its family has some; `channels` and `blocks` are already scaled
    source: a hash of the file of a user's own network; None for the others
    """

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    resolution: int
    architecture: Architecture | None = None
    source: str | None = None


def realise(base: Base, depth: float, width: float, resolution: float, image_size: int) -> Shape:
    """Scale a base network, for images of `image_size` pixels. Raises InvalidConfig."""
    return Shape(
        channels=tuple(scale_channels(channels, width) for channels in base.channels),
        blocks=scale_blocks(base.blocks, depth),
        resolution=scale_resolution(image_size, resolution),
    )


def scale_channels(channels: int, width: float) -> int:
    """The nearest multiple of 8, ties upwards, at least 8."""
    return max(WIDTH_STEP, WIDTH_STEP * _round(channels * width / WIDTH_STEP))


def in_proportion(channels: int, scaled: int, base: int) -> int:
    """Channels of a layer that keeps its proportion to a stage of `scaled` instead of `base` channels."""
    return scale_channels(channels, scaled / base)


def scale_blocks(blocks: tuple[int, ...], depth: float) -> tuple[int, ...]:
    """round(depth * all blocks) blocks, distributed over the stages in the base's proportions.

    A tie goes to the earlier stage. A stage without blocks keeps none. Raises InvalidConfig if another one
    would have none.
    """
    total = _round(depth * sum(blocks))
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


def scale_resolution(image_size: int, resolution: float) -> int:
    """Pixels a side. Raises InvalidConfig outside 8 to 128."""
    pixels = _round(image_size * resolution)
    if not SMALLEST_RESOLUTION <= pixels <= LARGEST_RESOLUTION:
        raise InvalidConfig(
            f"resolution {resolution:g} of {image_size}-pixel images is {pixels} pixels; it must be "
            f"from {SMALLEST_RESOLUTION} to {LARGEST_RESOLUTION}: change resolution or image_size"
        )
    return pixels


def _round(value: float) -> int:
    """To the nearest whole number, ties upwards; Python's round() takes ties to even."""
    return math.floor(value + 0.5 + _FUZZ)

"""Networks as multiples of a base network in depth, width and resolution.

Rounding would give the same network for many multipliers, so each grid's step is the smallest change that
survives rounding: one block of the whole network, 8 channels in the widest stage, 4 pixels. Every point is
then a different network, and the base network is the point of all ones.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from search_spaces import Point, Real, Space, Value
from search_spaces._variables import to_simplest_fraction

NAMES = ("depth", "width", "resolution")
CHANNEL_STEP = 8
PIXEL_STEP = 4
LEAST_PIXELS, MOST_PIXELS = 8, 128


def space(
    blocks: Sequence[int],
    channels: Sequence[int],
    pixels: int,
    *,
    base: Mapping[str, float] | None = None,
    depth: tuple[float, float] = (0.5, 1.5),
    width: tuple[float, float] = (0.25, 1.25),
    resolution: tuple[float, float] = (0.5, 1.5),
) -> Space:
    """The multipliers `depth`, `width` and `resolution` of a base network.

    The ranges are narrowed to the grids, and to what can be built: one block per stage, 8 channels in the
    widest stage, 8 to 128 pixels. A range such as (1, 1) fixes its multiplier.

    blocks: blocks of each stage of the named network, at scale 1; a stage may have none. Empty if the
        network's depth does not scale; its range must then be (1, 1)
    channels: channels of each stage of the named network, at scale 1; empty likewise
    pixels: pixels a side of the named network's input at scale 1
    base: the scale of the base network itself, if it is not the named network at scale 1. Give this rather
        than rounded blocks and channels: rounding moves the grid
    depth, width, resolution: the smallest and largest multiplier; 1 lies between them
    Raises ValueError if 1 is not in a range, or if the base network cannot be built as described.
    """
    scale = {name: Fraction((base or {}).get(name, 1.0)).limit_denominator(10_000) for name in NAMES}
    total = sum(blocks) * scale["depth"]
    widest = max(channels, default=0) * scale["width"] / CHANNEL_STEP
    side = pixels * scale["resolution"]
    fewer_pixels = (_round_half_up(side) - LEAST_PIXELS) // PIXEL_STEP
    more_pixels = (MOST_PIXELS - _round_half_up(side)) // PIXEL_STEP
    return Space(
        (
            _make_grid("depth", total, depth, down=_round_half_up(total) - sum(map(bool, blocks))),
            _make_grid("width", widest, width, down=_round_half_up(widest) - 1),
            _make_grid("resolution", side / PIXEL_STEP, resolution, down=fewer_pixels, up=more_pixels),
        )
    )


def start(space: Space) -> Point:
    """The base network: every multiplier 1."""
    return space.point(dict.fromkeys(space.names, 1.0))


def absolute(base: Mapping[str, float], point: Mapping[str, Value]) -> dict[str, float]:
    """The scale of a point's network relative to the named one: the base's times the point's (default 1)."""
    scales = ((base.get(name, 1.0), float(point.get(name, 1.0))) for name in NAMES)
    products = (to_simplest_fraction(own) * to_simplest_fraction(factor) for own, factor in scales)
    return dict(zip(NAMES, map(float, products), strict=True))


def _make_grid(
    name: str, size: Fraction, span: tuple[float, float], *, down: int, up: float = math.inf
) -> Real:
    """The grid of 1 + k / size within `span`, for k from -`down` to `up`. `size` counts steps."""
    low, high = (to_simplest_fraction(end) for end in span)
    if not low <= 1 <= high:
        raise ValueError(f"the range {span} of {name} leaves out 1, the base network; give one around 1")
    if size == 0 and low == high:
        return Real(name, 1.0, 1.0, granularity=1.0)
    if down < 0 or up < 0 or size == 0:
        raise ValueError(
            f"the base network's {name} is out of bounds (one block a stage, {CHANNEL_STEP} channels, "
            f"{LEAST_PIXELS} to {MOST_PIXELS} pixels); choose a base within them"
        )
    fewest = max(math.ceil((low - 1) * size), -down)
    most = int(min(math.floor((high - 1) * size), up))
    return Real(name, float(1 + fewest / size), float(1 + most / size), granularity=float(1 / size))


def _round_half_up(size: Fraction) -> int:
    return math.floor(size + Fraction(1, 2))

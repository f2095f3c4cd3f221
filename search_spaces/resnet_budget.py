"""ResNets under a parameter limit: Zhang, Liu and Zuo, "Optimization of Residual Network with given budget".

The paper's N, B_i, C_1, F, K and P are `layers`, `blocks_1` to `blocks_4`, `channels`, `stem_kernel`,
`kernel` and `pooling`. The limit depends on several variables, so a space also has points above it, which
`feasible` finds without building a network. A network of N layers ignores further blocks; points that differ
only in those have the same `architecture`, so a search sees them as duplicates.

There is no pooling size of 2: if the last image's side is a multiple of 4, as at 32 pixels, it gives the same
network as 4.
"""

from collections.abc import Mapping
from itertools import pairwise, product
from typing import Any

from search_spaces import Choice, Integer, Parts, Point, Space, Value

NETWORK = "resnet_budget"  # the network that has this architecture
MOST_PARAMETERS = 5_000_000  # the paper's limit
MOST_LAYERS, MOST_BLOCKS = 4, 12
CHANNELS = tuple(range(8, 129, 8))
STEM_KERNELS, KERNELS, POOLINGS = (3, 5, 7), (3, 5), (3, 4)

_BASELINE: dict[str, Value] = {"layers": 4, "channels": 32, "stem_kernel": 3, "kernel": 3, "pooling": 4}
_BLOCKS = tuple(f"blocks_{layer}" for layer in range(1, MOST_LAYERS + 1))
_BASELINE |= dict.fromkeys(_BLOCKS, 2)
_LEAST: dict[str, Value] = {**_BASELINE, "layers": 1, **dict.fromkeys(_BLOCKS, 1), "channels": CHANNELS[0]}


def space(most_parameters: int = MOST_PARAMETERS) -> Space:
    """The paper's variables, without the values that put every network (of 10 classes) over the limit.

    Raises ValueError if no network is under the limit.
    """
    if not feasible(_LEAST, most_parameters):
        raise ValueError(_too_low(most_parameters))

    def under(name: str, values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(value for value in values if feasible({**_LEAST, name: value}, most_parameters))

    layers = under("layers", tuple(range(1, MOST_LAYERS + 1)))[-1]
    blocks = under(_BLOCKS[0], tuple(range(1, MOST_BLOCKS + 1)))[-1]
    return Space(
        (
            Integer("layers", 1, layers),
            *(Integer(name, 1, blocks) for name in _BLOCKS),
            Choice("channels", under("channels", CHANNELS), ordered=True),
            Choice("stem_kernel", under("stem_kernel", STEM_KERNELS), ordered=True),
            Choice("kernel", under("kernel", KERNELS), ordered=True),
            Choice("pooling", POOLINGS, ordered=True),
        )
    )


def start(most_parameters: int = MOST_PARAMETERS) -> Point:
    """The paper's baseline: N=4, B=[2,2,2,2], C_1=32, F=3, K=3, P=4, with 2,797,610 parameters.

    Under a lower limit it has fewer channels, then fewer blocks, then fewer layers. Raises ValueError if no
    network is under the limit.
    """
    narrow = [channels for channels in CHANNELS if channels <= int(_BASELINE["channels"])]
    smaller = product(range(MOST_LAYERS, 0, -1), (2, 1), reversed(narrow))
    for layers, blocks, channels in smaller:
        point = {**_BASELINE, "layers": layers, **dict.fromkeys(_BLOCKS, blocks), "channels": channels}
        if feasible(point, most_parameters):
            return Point(point)
    raise ValueError(_too_low(most_parameters))


def parts(point: Mapping[str, Value]) -> Parts:
    """What a point sets: the network's architecture."""
    return {"architecture": architecture(point)}


def architecture(point: Mapping[str, Value]) -> dict[str, Any]:
    """trial.json's `architecture` for a point, with the network `resnet_budget`."""
    layers = int(point["layers"])
    blocks = [int(point[name]) for name in _BLOCKS[:layers]]
    others = ("channels", "stem_kernel", "kernel", "pooling")
    return {"layers": layers, "blocks": blocks, **{name: int(point[name]) for name in others}}


def feasible(point: Mapping[str, Value], most_parameters: int = MOST_PARAMETERS) -> bool:
    """Whether a point's network of 10 classes is within the limit."""
    return parameters(point) <= most_parameters


def parameters(point: Mapping[str, Value], classes: int = 10) -> int:
    """The number of trainable parameters of a point's network. The pooling size has none.

    A convolution has no bias, a batch norm has two parameters per channel, and a stage that changes the
    channels projects its first shortcut.
    """
    layers, first, kernel = int(point["layers"]), int(point["channels"]), int(point["kernel"])
    area = kernel * kernel
    channels = [first << layer for layer in range(layers)]
    blocks = [int(point[name]) for name in _BLOCKS[:layers]]
    stem = 3 * first * int(point["stem_kernel"]) * int(point["stem_kernel"]) + 2 * first
    plain = sum(count * (2 * area * c * c + 4 * c) for count, c in zip(blocks, channels, strict=True))
    # a first block's first convolution has fewer inputs, and its shortcut is a convolution and a norm
    widening = sum(area * (before - c) * c + before * c + 2 * c for before, c in pairwise(channels))
    return stem + plain + widening + channels[-1] * classes + classes


def _too_low(most_parameters: int) -> str:
    return f"no network has at most {most_parameters} parameters; the smallest has {parameters(_LEAST)}"

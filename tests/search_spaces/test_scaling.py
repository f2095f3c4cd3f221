import random
import re

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from search_spaces import Point, Space, scaling
from trainer.models import _scale

Scale = dict[str, float]
Network = tuple[tuple[int, ...], tuple[int, ...], int]  # blocks, channels and pixels at scale 1

SENET18: Network = ((2, 2, 2, 2), (64, 128, 256, 512), 32)
RESNET110: Network = ((18, 18, 18), (16, 32, 64), 32)


@st.composite
def networks(draw: st.DrawFn, most_blocks: int, most_channels: int, most_pixels: int) -> Network:
    stages = draw(st.integers(1, 4))
    blocks = st.lists(st.integers(1, most_blocks), min_size=stages, max_size=stages)
    channels = st.lists(st.integers(1, most_channels // 8), min_size=stages, max_size=stages)
    pixels = st.integers(2, most_pixels // 4)
    return tuple(draw(blocks)), tuple(8 * eighth for eighth in draw(channels)), 4 * draw(pixels)


@st.composite
def scales(draw: st.DrawFn) -> Scale:
    """The scale of a base network: decimals as in a paper, or fractions as a search finds them."""
    decimal = st.integers(40, 160).map(lambda hundredths: hundredths / 100)
    found = st.fractions("2/5", "8/5", max_denominator=600).map(float)
    return {name: draw(decimal | found) for name in scaling.NAMES}


def compute_shape(network: Network, base: Scale, point: Point) -> _scale.Shape:
    """What the trainer builds; it refuses what cannot be built."""
    blocks, channels, pixels = network
    scale = scaling.absolute(base, point)
    shape = _scale.Base(channels=channels, blocks=blocks)
    return _scale.realise(shape, scale["depth"], scale["width"], scale["resolution"], pixels)


def space_or_reject(network: Network, base: Scale) -> Space:
    try:
        return scaling.space(*network, base=base)
    except ValueError:  # a base that cannot be built
        reject()


@pytest.mark.parametrize("network", [SENET18, RESNET110])
@pytest.mark.parametrize("base", [{}, {"width": 0.67}, {"width": 0.73, "resolution": 1.18}, {"width": 0.25}])
def test_every_point_around_a_known_network_is_a_network_of_its_own(network: Network, base: Scale) -> None:
    space = scaling.space(*network, base=base)
    assert len({compute_shape(network, base, point) for point in space}) == space.size


@settings(deadline=None, max_examples=25)
@given(networks(most_blocks=4, most_channels=96, most_pixels=48), scales())
def test_every_point_of_a_small_space_is_a_network_of_its_own(network: Network, base: Scale) -> None:
    space = space_or_reject(network, base)
    assert len({compute_shape(network, base, point) for point in space}) == space.size


@settings(deadline=None, max_examples=25)
@given(networks(most_blocks=40, most_channels=2048, most_pixels=128), scales())
def test_along_each_axis_of_a_large_space_every_point_is_a_network_of_its_own(
    network: Network, base: Scale
) -> None:
    space = space_or_reject(network, base)
    start = scaling.start(space)
    for variable in space.variables:
        points = [space.point({**start, variable.name: value}) for value in variable.values]
        assert len({compute_shape(network, base, point) for point in points}) == variable.size


@settings(deadline=None, max_examples=25)
@given(networks(most_blocks=40, most_channels=1024, most_pixels=128), scales(), st.integers(0, 2**32))
def test_neighbours_differ_by_one_block_eight_channels_or_four_pixels(
    network: Network, base: Scale, seed: int
) -> None:
    space = space_or_reject(network, base)
    numbers = list(space.to_numbers(space.sample(random.Random(seed))))
    shape = compute_shape(network, base, space.from_numbers(numbers))
    for axis, variable in enumerate(space.variables):
        if numbers[axis] < variable.upper:
            following = [*numbers[:axis], numbers[axis] + 1, *numbers[axis + 1 :]]
            larger = compute_shape(network, base, space.from_numbers(following))
            growth = {
                "depth": sum(larger.blocks) - sum(shape.blocks),
                "width": max(larger.channels) - max(shape.channels),
                "resolution": larger.resolution - shape.resolution,
            }
            assert growth == {"depth": 0, "width": 0, "resolution": 0} | {variable.name: (1, 8, 4)[axis]}


@settings(deadline=None, max_examples=50)
@given(networks(most_blocks=40, most_channels=1024, most_pixels=128), scales())
def test_the_start_is_the_base_network_itself(network: Network, base: Scale) -> None:
    start = scaling.start(space_or_reject(network, base))
    assert dict(start) == {"depth": 1.0, "width": 1.0, "resolution": 1.0}
    assert scaling.absolute(base, start) == base


def test_senet18_has_the_ranges_asked_for() -> None:
    ranges = [(v.values[0], v.values[-1], v.size) for v in scaling.space(*SENET18).variables]
    assert ranges == [(0.5, 1.5, 9), (0.25, 1.25, 65), (0.5, 1.5, 9)]


def test_ranges_narrow_to_what_can_be_built() -> None:
    space = scaling.space((1, 1), (16, 32), 120, depth=(0.1, 2), width=(0.1, 1), resolution=(0.01, 9))
    shapes = {compute_shape(((1, 1), (16, 32), 120), {}, point) for point in space}
    assert {sum(shape.blocks) for shape in shapes} == {2, 3, 4}
    assert {max(shape.channels) for shape in shapes} == {8, 16, 24, 32}
    assert {shape.resolution for shape in shapes} == set(range(8, 129, 4))


def test_a_range_of_one_multiplier_holds_it() -> None:
    space = scaling.space(*SENET18, depth=(1, 1), resolution=(0.99, 1.01))
    assert [variable.size for variable in space.variables] == [1, 65, 1]


def test_a_range_without_the_base_network_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("the range (0.2, 0.9) of width leaves out 1")):
        scaling.space(*SENET18, width=(0.2, 0.9))


@pytest.mark.parametrize("base", [{"resolution": 5.0}, {"resolution": 0.1}, {"depth": 0.2}, {"width": 0.001}])
def test_a_base_that_cannot_be_built_is_refused(base: Scale) -> None:
    with pytest.raises(ValueError, match=f"the base network's {next(iter(base))} is out of bounds"):
        scaling.space(*SENET18, base=base)


def test_absolute_scales_multiply_exactly_and_fill_in_ones() -> None:
    assert scaling.absolute({"width": 0.1}, Point({"width": 0.7})) == {
        "depth": 1.0,
        "width": 0.07,
        "resolution": 1.0,
    }

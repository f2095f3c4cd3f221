import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import InvalidConfig
from trainer.models import _scale

stages = st.lists(st.integers(1, 36), min_size=1, max_size=6).map(tuple)


@given(stages, st.integers(0, 60), st.integers(1, 20))
def test_more_blocks_make_another_network_and_take_none_from_a_stage(
    base: tuple[int, ...], extra: int, more: int
) -> None:
    total = len(base) + extra
    fewer = _scale.scale_blocks(base, total / sum(base))
    greater = _scale.scale_blocks(base, (total + more) / sum(base))
    assert sum(fewer) == total
    assert sum(greater) == total + more
    assert all(f <= g for f, g in zip(fewer, greater, strict=True))


@given(stages)
def test_depth_1_is_the_base(base: tuple[int, ...]) -> None:
    assert _scale.scale_blocks(base, 1.0) == base


def test_every_depth_in_eighths_of_an_18_layer_network_is_a_network_of_its_own() -> None:
    networks = [_scale.scale_blocks((2, 2, 2, 2), eighths / 8) for eighths in range(4, 17)]
    assert len(set(networks)) == len(networks)


def test_less_than_a_block_a_stage_is_refused_with_the_least_depth() -> None:
    with pytest.raises(InvalidConfig, match=r"leaves 3 blocks for 4 stages; give at least 0\.4375"):
        _scale.scale_blocks((2, 2, 2, 2), 0.4)
    assert _scale.scale_blocks((2, 2, 2, 2), 0.4375) == (1, 1, 1, 1)


@given(st.integers(8, 2048), st.floats(0.01, 16), st.floats(0.01, 16))
def test_channels_are_multiples_of_8_and_grow_with_width(channels: int, one: float, other: float) -> None:
    narrow, wide = sorted((one, other))
    few, many = _scale.scale_channels(channels, narrow), _scale.scale_channels(channels, wide)
    assert few % 8 == 0
    assert 8 <= few <= many
    assert few == 8 or abs(few - channels * narrow) <= 4 + 1e-6


def test_a_tie_between_widths_goes_up_whatever_the_fuzz() -> None:
    assert _scale.scale_channels(64, 0.6875) == 48  # 5.5 eights
    assert _scale.scale_channels(64, 0.6875 - 1e-12) == 48


@given(st.integers(8, 1024), st.floats(0.01, 64))
def test_a_resolution_is_from_8_to_128_pixels_or_refused(image_size: int, resolution: float) -> None:
    try:
        pixels = _scale.scale_resolution(image_size, resolution)
    except InvalidConfig:
        assert not 8 <= image_size * resolution < 128.5 - 1e-6
    else:
        assert 8 <= pixels <= 128


def test_the_paper_s_variants_have_the_paper_s_sizes() -> None:
    base = _scale.Base((64, 128, 256, 512), (2, 2, 2, 2))
    senet = _scale.realise(base, 1.0, 0.67, 1.0, 32)
    assert senet == _scale.Shape((40, 88, 168, 344), (2, 2, 2, 2), 32)
    resnet = _scale.realise(base, 1.0, 0.73, 1.18, 32)
    assert resnet.resolution == 38

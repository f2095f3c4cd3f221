import pytest

from trainer.ingredients.progressive_resizing import ProgressiveResizing


def sizes(resizing: ProgressiveResizing, full: int) -> list[int]:
    """In the order in which they occur."""
    return list(dict.fromkeys(resizing.pixels(step / 1000, full) for step in range(1001)))


def test_sizes_grow_in_steps_to_the_network_s_own() -> None:
    assert sizes(ProgressiveResizing(), 32) == [24, 28, 32]


@pytest.mark.parametrize("full", [8, 12, 26, 32, 48, 79, 128])
@pytest.mark.parametrize("start", [0.25, 0.5, 0.75, 1.0])
def test_sizes_are_few_and_never_above_the_network_s(start: float, full: int) -> None:
    found = sizes(ProgressiveResizing(start=start), full)
    assert found == sorted(found)
    assert found[-1] == full
    assert len(found) <= 3
    assert all(size % 4 == 0 and size >= 8 for size in found[:-1])


def test_images_are_full_from_the_progress_that_is_given() -> None:
    resizing = ProgressiveResizing(until=0.7)
    assert resizing.pixels(0.69, 32) < resizing.pixels(0.7, 32) == 32
    assert sizes(ProgressiveResizing(until=0.0), 32) == [32]


@pytest.mark.parametrize(("strength", "value"), [("start", 0.1), ("start", 1.1), ("until", 1.0)])
def test_a_strength_out_of_range_is_refused_by_name(strength: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{strength} must .* not {value}"):
        ProgressiveResizing(**{strength: value})

import pytest
import torch

from tests.trainer.pictures import pictures
from trainer.ingredients import test_views


def test_the_image_itself_comes_first_then_its_shifts_then_their_mirror_images() -> None:
    images = pictures(5, 16)
    views = test_views.TestViews(shift=2)(images, mirrored=True)
    assert len(views) == 6
    assert torch.equal(views[0], images)
    assert torch.equal(views[1][:, :, :-2, :-2], images[:, :, 2:, 2:])  # up and left
    assert torch.equal(views[2][:, :, 2:, 2:], images[:, :, :-2, :-2])  # down and right
    for view, mirror in zip(views[:3], views[3:], strict=True):
        assert torch.equal(mirror, view.flip(3))


def test_what_a_shift_leaves_bare_is_reflected_at_the_border() -> None:
    columns = torch.arange(8).expand(1, 3, 8, 8).to(torch.uint8)
    _, left, right = test_views.TestViews(flip=False, shift=2)(columns, mirrored=True)
    assert left[0, 0, 0].tolist() == [2, 3, 4, 5, 6, 7, 6, 5]
    assert right[0, 0, 0].tolist() == [2, 1, 0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("flip", "shift", "mirrored", "count"), [(True, 0, True, 2), (True, 1, False, 3)])
def test_images_are_mirrored_only_where_it_is_wanted_and_means_the_same(
    flip: bool, shift: int, mirrored: bool, count: int
) -> None:
    assert len(test_views.TestViews(flip, shift)(pictures(2, 8), mirrored)) == count


def test_a_shift_beyond_the_smallest_image_is_refused() -> None:
    with pytest.raises(ValueError, match="not 8"):
        test_views.TestViews(shift=8)

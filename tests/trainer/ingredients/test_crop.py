import pytest
import torch

from tests.trainer.pictures import draw, pictures
from trainer.ingredients.crop import Crop


def test_a_crop_shifts_by_an_eighth_at_most_and_reflects_at_the_edge() -> None:
    images = torch.arange(16).expand(300, 3, 16, 16).to(torch.uint8)  # each pixel is its column
    cropped = Crop()(images, draw())
    rows = {tuple(row.tolist()) for row in cropped[:, 0, 5]}
    padded = [2, 1, *range(16), 14, 13]
    assert rows == {tuple(padded[start : start + 16]) for start in range(5)}


def test_a_share_of_nothing_leaves_the_images_as_they_are() -> None:
    images = pictures(20)
    assert torch.equal(Crop(share=0.0)(images, draw()), images)


@pytest.mark.parametrize("share", [-0.1, 0.6])
def test_a_share_that_no_reflection_fills_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=str(share)):
        Crop(share=share)

import pytest
import torch

from tests.trainer.pictures import draw, pictures
from trainer.ingredients.flip import Flip


def test_a_flip_mirrors_about_half_of_the_images_and_leaves_the_others() -> None:
    images = pictures(400, 8)
    flipped = Flip()(images, draw())
    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    same = (flipped == images).flatten(1).all(1)
    assert 150 < int(mirrored.sum()) < 250
    assert bool((mirrored | same).all())


def test_images_whose_mirror_images_mean_something_else_are_left() -> None:
    images = pictures(40, 8)
    assert torch.equal(Flip()(images, draw(mirrored=False)), images)


def test_a_probability_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.5"):
        Flip(probability=1.5)

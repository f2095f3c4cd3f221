import pytest
import torch

from tests.trainer.pictures import draw, pictures
from trainer import image_ops
from trainer.ingredients.grayscale import Grayscale


def test_about_a_tenth_of_the_images_become_grey_and_the_others_stay() -> None:
    images = pictures(1000, 8)
    after = Grayscale()(images, draw())
    grey = (after == image_ops.to_grey(images)).flatten(1).all(1)
    same = (after == images).flatten(1).all(1)
    assert 70 < int(grey.sum()) < 130
    assert bool((grey ^ same).all())


def test_a_probability_of_one_makes_every_image_grey() -> None:
    after = Grayscale(probability=1.0)(pictures(30), draw())
    assert torch.equal(after[:, 0], after[:, 1])
    assert torch.equal(after[:, 0], after[:, 2])


def test_a_probability_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"-0\.1"):
        Grayscale(probability=-0.1)

import torch
from torch import Tensor

from tests.trainer.pictures import draw, pictures
from trainer.ingredients.alternating_flip import AlternatingFlip


def mirrored(images: Tensor, epoch: int, seed: int = 0) -> Tensor:
    """bool [N]: which images an epoch shows mirrored."""
    shown = AlternatingFlip()(images, draw(epoch=epoch, seed=seed))
    same, other = ((shown == way).flatten(1).all(1) for way in (images, images.flip(3)))
    assert bool((same ^ other).all())
    return other


def test_each_image_is_shown_both_ways_within_two_epochs() -> None:
    images = pictures(200, 8)
    first, second, third = (mirrored(images, epoch) for epoch in range(3))
    assert torch.equal(first, ~second)
    assert torch.equal(first, third)


def test_a_coin_of_the_seed_decides_which_way_comes_first() -> None:
    images = pictures(200, 8)
    first = mirrored(images, 0, seed=1)
    assert 70 < int(first.sum()) < 130
    assert not torch.equal(first, mirrored(images, 0, seed=2))


def test_a_negative_or_a_huge_seed_is_as_good_as_another() -> None:
    images = pictures(20, 8)
    for seed in (-3, 2**63 - 1):
        by = draw()
        shown = AlternatingFlip()(images, type(by)(by.generator, by.progress, True, 0, seed))
        assert shown.shape == images.shape


def test_images_whose_mirror_images_mean_something_else_are_left() -> None:
    images = pictures(40, 8)
    assert torch.equal(AlternatingFlip()(images, draw(mirrored=False, epoch=1)), images)

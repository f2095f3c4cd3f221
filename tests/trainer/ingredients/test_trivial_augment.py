import torch

from tests.trainer.pictures import draw, pictures
from trainer.ingredients.trivial_augment import TrivialAugment


def test_an_image_may_be_moved_out_of_sight_altogether() -> None:
    after = TrivialAugment()(pictures(4000, 8), draw())
    assert 0 < int((after == 128).flatten(1).all(1).sum()) < 40  # 2 of 14 operations, 1 of 31 magnitudes


def test_about_one_image_in_fourteen_comes_back_as_it_was() -> None:
    images = pictures(2000)
    same = (TrivialAugment()(images, draw()) == images).flatten(1).all(1).float().mean()
    assert 1 / 14 < float(same) < 2 / 14  # the least magnitudes change nothing either


def test_a_magnitude_is_drawn_for_each_image() -> None:
    lighter = TrivialAugment()(torch.full((3000, 3, 8, 8), 100, dtype=torch.uint8), draw())[:, 0, 0, 0]
    assert len(set(lighter.tolist())) > 40  # brightness has 61, of which some are alike in whole numbers

import pytest
import torch

from tests.trainer.pictures import draw
from trainer.ingredients.cutout import Cutout


def test_cutout_sets_one_square_in_each_image_to_the_mean() -> None:
    cut = Cutout()(torch.ones(500, 3, 16, 16), draw()) == 0
    assert torch.equal(cut[:, 0], cut[:, 2])
    rows, columns = cut[:, 0].any(2).sum(1), cut[:, 0].any(1).sum(1)
    assert torch.equal(rows * columns, cut[:, 0].sum((1, 2)))
    assert int(rows.min()) == 4
    assert int(rows.max()) == 8


def test_the_square_s_side_is_a_share_of_the_size() -> None:
    cut = Cutout(share=0.25)(torch.ones(500, 3, 16, 16), draw()) == 0
    assert int(cut[:, 0].any(2).sum(1).max()) == 4


def test_a_square_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.1"):
        Cutout(share=1.1)

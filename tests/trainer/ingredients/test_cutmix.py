import pytest
import torch
from scipy import stats
from torch import Tensor

from tests.trainer.pictures import draw
from trainer.ingredients.cutmix import Cutmix

COUNT, SIZE = 2000, 16


def pasted(cutmix: Cutmix, progress: float = 0.0) -> tuple[Tensor, Tensor]:
    """bool [N, S, S]: what is another image's; float [N]: how much of the target is another's."""
    parity = torch.arange(COUNT) % 2
    inputs = parity.float()[:, None, None, None].expand(-1, 3, SIZE, SIZE)
    mixed, targets = cutmix(inputs, torch.eye(2)[parity], draw(progress))
    assert torch.equal(mixed[:, 0], mixed[:, 2])
    return mixed[:, 0] != inputs[:, 0], targets[torch.arange(COUNT), 1 - parity]


def test_targets_are_blended_by_the_area_really_pasted() -> None:
    where, share = pasted(Cutmix(chance=1.0))
    torch.testing.assert_close(where.float().mean((1, 2)), share)
    assert len(set(share.tolist())) > 50


def test_what_is_pasted_is_one_rectangle_cut_off_at_the_border() -> None:
    where, _ = pasted(Cutmix(chance=1.0))
    rows, columns = where.any(2).sum(1), where.any(1).sum(1)
    assert torch.equal(rows * columns, where.sum((1, 2)))
    whole = torch.stack(
        [~where[:, 0].any(1), ~where[:, -1].any(1), ~where[..., 0].any(1), ~where[..., -1].any(1)]
    )
    assert torch.equal(rows[whole.all(0)], columns[whole.all(0)])  # a square where nothing is cut off


def test_the_squares_areas_follow_the_distribution_where_they_are_whole() -> None:
    where, _ = pasted(Cutmix(chance=1.0))
    side = torch.maximum(where.any(2).sum(1), where.any(1).sum(1))  # cut off on one side only, or not at all
    expected = (SIZE * stats.uniform.rvs(size=COUNT, random_state=0) ** 0.5).astype(int)
    assert float(side.float().mean()) == pytest.approx(float(expected.mean()), rel=0.15)


def test_about_half_of_the_images_are_changed() -> None:
    where, share = pasted(Cutmix())
    assert 0.44 < float(where.any((1, 2)).float().mean()) < 0.52  # a few squares have no pixel
    assert torch.equal(share == 0, ~where.any((1, 2)))


def test_no_image_is_changed_from_its_progress_on() -> None:
    where, share = pasted(Cutmix(chance=1.0, until=0.9, anneal=True), progress=0.9)
    assert not where.any()
    assert not share.any()


def test_a_chance_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"chance must be at least 0 and at most 1, not 1\.5"):
        Cutmix(chance=1.5)

import pytest
import torch
from scipy import stats
from torch import Tensor

from tests.trainer.pictures import draw
from trainer.ingredients.mixup import Mixup


def shares(mixup: Mixup, count: int = 4000, progress: float = 0.0, seed: int = 0) -> Tensor:
    """float [count]: how much of each image stays, seen in targets where each image is a class of its own."""
    black_and_white = (torch.arange(count) % 2).float()[:, None, None, None].expand(-1, 3, 2, 2)
    targets = torch.stack([black_and_white[:, 0, 0, 0], 1 - black_and_white[:, 0, 0, 0]], 1)
    inputs, mixed = mixup(black_and_white, targets, draw(progress, seed=seed))
    torch.testing.assert_close(inputs[:, 0, 0, 0], mixed[:, 0])  # images are blended as targets are
    torch.testing.assert_close(mixed.sum(1), torch.ones(count))
    return mixed.gather(1, targets.argmax(1, keepdim=True))[:, 0]


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 8.0])
def test_the_share_that_stays_is_drawn_from_a_beta_distribution(alpha: float) -> None:
    drawn = shares(Mixup(alpha=alpha)).double().clamp(1e-6, 1 - 1e-6)
    expected = stats.beta(alpha, alpha).rvs(4000, random_state=0).clip(1e-6, 1 - 1e-6)
    assert stats.ks_2samp(drawn.numpy(), expected).pvalue > 0.01


def test_a_fixed_share_stays_of_every_image() -> None:
    assert torch.allclose(shares(Mixup(fixed=0.2)), torch.tensor(0.2))


def test_an_image_is_blended_with_another_of_its_batch() -> None:
    inputs = torch.arange(6.0)[:, None, None, None].expand(-1, 3, 2, 2)
    mixed, targets = Mixup(fixed=0.25)(inputs, torch.eye(6), draw())
    others = torch.tensor([5.0, 0, 1, 2, 3, 4])
    assert torch.allclose(mixed[:, 0, 0, 0], 0.25 * torch.arange(6.0) + 0.75 * others)
    assert torch.allclose(targets, 0.25 * torch.eye(6) + 0.75 * torch.eye(6)[others.long()])


def test_a_chance_is_each_image_s_own() -> None:
    mixed = shares(Mixup(fixed=0.5, chance=0.3)) == 0.5
    assert 0.26 < float(mixed.float().mean()) < 0.34


@pytest.mark.parametrize(
    ("anneal", "progress", "expected"),
    [(False, 0.0, 1), (False, 0.79, 1), (False, 0.8, 0), (True, 0.0, 1), (True, 0.4, 0.5), (True, 0.9, 0)],
)
def test_mixing_ends_at_a_progress_at_once_or_by_and_by(
    anneal: bool, progress: float, expected: float
) -> None:
    mixed = shares(Mixup(fixed=0.5, until=0.8, anneal=anneal), progress=progress) == 0.5
    assert float(mixed.float().mean()) == pytest.approx(expected, abs=0.04)


def test_half_precision_comes_back_as_half_precision() -> None:
    inputs, targets = torch.rand(8, 3, 4, 4, dtype=torch.bfloat16), torch.eye(8)
    mixed, blended = Mixup()(inputs, targets, draw())
    assert (mixed.dtype, blended.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize(
    ("strength", "value"), [("alpha", 0.0), ("chance", 1.1), ("until", 0.0), ("fixed", 1.0), ("fixed", -0.1)]
)
def test_a_strength_out_of_range_is_refused_by_name(strength: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{strength} must .* not {value}"):
        Mixup(**{strength: value})  # type: ignore[arg-type]

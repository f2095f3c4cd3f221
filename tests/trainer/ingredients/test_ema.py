"""The share of the moving average, against torch's averaged model."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from trainer.ingredients.ema import Ema


def test_after_its_half_life_a_weight_counts_half() -> None:
    ema, total = Ema(half_life=0.02), 5000
    left = 1.0
    for step in range(4001, 4001 + 100):
        left *= 1 - ema.share(step, total)
    assert left == pytest.approx(0.5)


def test_the_first_weights_are_forgotten_at_once_and_early_ones_soon() -> None:
    shares = [Ema(half_life=0.1).share(step, 1000) for step in range(1, 1001)]
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(1 - 0.5**0.01)
    assert shares[9] > 0.1


def test_settled_it_is_torchs_moving_average_with_the_same_decay() -> None:
    torch.manual_seed(0)
    learner, total = nn.Linear(3, 2), 10_000
    share = Ema(half_life=0.001).share(total, total)
    average = get_ema_avg_fn(1 - share)  # type: ignore[no-untyped-call]
    reference = AveragedModel(learner, avg_fn=average)
    reference.update_parameters(learner)
    ours = learner.weight.detach().clone()
    for step in range(total - 5, total):
        with torch.no_grad():
            learner.weight.add_(torch.randn(2, 3))
        reference.update_parameters(learner)
        ours.lerp_(learner.weight.detach(), Ema(half_life=0.001).share(step, total))
    torch.testing.assert_close(ours, next(reference.parameters()).detach())
    assert not torch.allclose(ours, learner.weight)


@pytest.mark.parametrize("half_life", [0.0, -1.0, 0.5])
def test_a_half_life_out_of_range_is_refused(half_life: float) -> None:
    with pytest.raises(ValueError, match="half_life must be"):
        Ema(half_life)

"""The one cycle against torch's."""

import pytest
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from tests.trainer.ingredients._rates import of_ours, of_torch
from trainer.ingredients.one_cycle import OneCycle


def test_the_rates_are_torchs_with_its_defaults() -> None:
    def cycle(optimizer: Optimizer) -> OneCycleLR:
        # torch's rise ends a step early: at step 30 of 100 with this share
        return OneCycleLR(optimizer, max_lr=1.0, total_steps=101, pct_start=31 / 101, cycle_momentum=False)

    theirs = of_torch(cycle, 100)
    assert of_ours(OneCycle(), 100, 100) == pytest.approx(theirs, abs=1e-9)
    assert OneCycle().rate(1.0) == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize("strengths", [{"rise": 0.0}, {"rise": 1.0}, {"first": 2.0}, {"last": -1.0}])
def test_a_strength_out_of_range_is_refused(strengths: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        OneCycle(**strengths)

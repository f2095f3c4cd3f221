"""The straight lines against torch's."""

import pytest
from torch.optim.lr_scheduler import LinearLR, OneCycleLR

from tests.trainer.ingredients._rates import of_ours, of_torch
from trainer.ingredients.linear import Linear


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_the_fall_is_torchs(final: float) -> None:
    theirs = of_torch(lambda optimizer: LinearLR(optimizer, 1.0, final, total_iters=50), 51)
    assert of_ours(Linear(warm_up=0.0, final=final), 51, 50) == pytest.approx(theirs, abs=1e-12)


def test_rise_and_fall_are_torchs_cycle_of_straight_lines() -> None:
    def cycle(optimizer: object) -> OneCycleLR:
        return OneCycleLR(
            optimizer,  # type: ignore[arg-type]
            max_lr=1.0,
            total_steps=51,
            pct_start=11 / 51,  # that torch's rise ends at step 10
            anneal_strategy="linear",
            div_factor=1e12,
            final_div_factor=1e12,
            cycle_momentum=False,
        )

    assert of_ours(Linear(warm_up=0.2), 51, 50) == pytest.approx([*of_torch(cycle, 50), 0.0], abs=1e-9)


@pytest.mark.parametrize("strengths", [{"warm_up": -0.1}, {"final": 2.0}])
def test_a_strength_out_of_range_is_refused(strengths: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be at least 0 and"):
        Linear(**strengths)

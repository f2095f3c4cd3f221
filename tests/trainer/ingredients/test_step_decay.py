"""The steps against torch's."""

import pytest
from torch.optim.lr_scheduler import StepLR

from tests.trainer.ingredients._rates import of_ours, of_torch
from trainer.ingredients.step_decay import StepDecay


@pytest.mark.parametrize(("factor", "size", "total"), [(0.95, 5, 300), (0.9, 4, 50), (0.5, 1, 10)])
def test_the_rates_are_torchs_at_every_step(factor: float, size: int, total: int) -> None:
    theirs = of_torch(lambda optimizer: StepLR(optimizer, size, factor), total)
    assert of_ours(StepDecay(factor, size / total), total, total) == pytest.approx(theirs)


@pytest.mark.parametrize("strengths", [{"factor": 0.0}, {"factor": 1.1}, {"period": 0.0}])
def test_a_strength_out_of_range_is_refused(strengths: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        StepDecay(**strengths)

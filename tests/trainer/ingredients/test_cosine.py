"""The cosine against torch's."""

import pytest
from torch.optim.lr_scheduler import CosineAnnealingLR

from tests.trainer.ingredients._rates import of_ours, of_torch
from trainer.ingredients.cosine import Cosine


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_the_rates_are_torchs(final: float) -> None:
    theirs = of_torch(lambda optimizer: CosineAnnealingLR(optimizer, T_max=50, eta_min=final), 51)
    assert of_ours(Cosine(final=final), 51, 50) == pytest.approx(theirs)


def test_after_its_warm_up_the_same_curve_takes_the_rest() -> None:
    schedule = Cosine(warm_up=0.2)
    assert [schedule.rate(progress) for progress in (0.0, 0.1, 0.2)] == pytest.approx([0.0, 0.5, 1.0])
    assert [schedule.rate(0.2 + 0.8 * p) for p in (0.25, 0.5, 1.0)] == pytest.approx(
        [Cosine().rate(p) for p in (0.25, 0.5, 1.0)]
    )


@pytest.mark.parametrize("strengths", [{"warm_up": 1.0}, {"final": -0.1}])
def test_a_strength_out_of_range_is_refused(strengths: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be at least 0 and"):
        Cosine(**strengths)

"""The learning rate falls in steps (He et al. 2016, section 3.4; torch's StepLR)."""

import math
from dataclasses import dataclass

from trainer.ingredients import Schedule

_ROUNDING = 1e-9  # a step due at progress k * period is not missed for a last digit


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Times `factor` whenever `period` of the training has passed.

    factor: above 0 and at most 1
    period: a share of the training; the defaults are 10% less every 4 of 50 epochs, as in Zhang,
        Liu and Zuo's 5M-parameter ResNet, section 2.6
    """

    factor: float = 0.9
    period: float = 0.08

    def __post_init__(self) -> None:
        if not 0 < self.factor <= 1 or not 0 < self.period <= 1:
            raise ValueError(
                f"factor and period must be above 0 and at most 1, not {self.factor}, {self.period}"
            )

    def rate(self, progress: float) -> float:
        return float(self.factor ** math.floor(progress / self.period + _ROUNDING))

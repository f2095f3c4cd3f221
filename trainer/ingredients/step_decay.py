"""The learning rate falls in steps (He et al. 2016, section 3.4; torch's StepLR)."""

import math
from dataclasses import dataclass

from trainer.ingredients import Schedule, within

_ROUNDING = 1e-9  # so that rounding cannot delay a step due at progress k * period


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiply the rate by `factor` after each `period`, a fraction of the training.

    The defaults are 10% less every 4 of 50 epochs (Zhang, Liu and Zuo's 5M-parameter ResNet, section 2.6).
    """

    factor: float = within(0.9, above=0, at_most=1)
    period: float = within(0.08, above=0, at_most=1)

    def rate(self, progress: float) -> float:
        return float(self.factor ** math.floor(progress / self.period + _ROUNDING))

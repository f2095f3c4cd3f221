"""Targets that are never quite sure (Szegedy et al. 2016, section 7).

Smoothing mixed targets is mixing smoothed ones, so it does not matter that mixing comes first.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.ingredients import Targets

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LabelSmoothing(Targets):
    """y (1 - alpha) + alpha / K for K classes.

    alpha: in [0, 1), the probability that is spread over all classes
    """

    alpha: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < 1:
            raise ValueError(f"alpha must be in [0, 1), not {self.alpha}")

    def __call__(self, targets: "Tensor") -> "Tensor":
        return targets * (1 - self.alpha) + self.alpha / targets.shape[1]

"""Label smoothing (Szegedy et al. 2016, section 7).

It commutes with mixing, so it does not matter that mixing comes first.
"""

from dataclasses import dataclass

from torch import Tensor

from trainer.ingredients import Targets, within


@dataclass(frozen=True)
class LabelSmoothing(Targets):
    """y (1 - alpha) + alpha / K for K classes."""

    alpha: float = within(0.1, at_least=0, below=1)

    def __call__(self, targets: Tensor) -> Tensor:
        return targets * (1 - self.alpha) + self.alpha / targets.shape[1]

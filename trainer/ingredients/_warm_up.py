"""Schedules with a linear warm-up and a decay of their own."""

from abc import abstractmethod
from dataclasses import dataclass

from trainer.ingredients import Schedule, within


@dataclass(frozen=True)
class WarmedUp(Schedule):
    """From the base rate to `final` times it, after a linear warm-up from 0.

    warm_up: fraction of the training in which the rate rises
    final: fraction of the base rate at the end
    """

    warm_up: float = within(0.0, at_least=0, below=1)
    final: float = within(0.0, at_least=0, at_most=1)

    @abstractmethod
    def decay(self, share: float) -> float:
        """What is left of the rate, from 1 to 0, when a share in [0, 1] of the decay is over."""

    def rate(self, progress: float) -> float:
        if progress < self.warm_up:
            return progress / self.warm_up
        share = (progress - self.warm_up) / (1 - self.warm_up)
        return self.final + (1 - self.final) * self.decay(share)

"""What schedules share that rise in a straight line and then fall in their own way."""

from abc import abstractmethod
from dataclasses import dataclass

from trainer.ingredients._kinds import Schedule


@dataclass(frozen=True)
class WarmedUp(Schedule):
    """From the base rate to `final` of it, after a linear rise.

    warm_up: the share of the training in which the rate rises from 0
    final: the share of the base rate that the training ends with
    """

    warm_up: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warm_up < 1 or not 0 <= self.final <= 1:
            raise ValueError(
                f"warm_up must be in [0, 1) and final in [0, 1], not {self.warm_up}, {self.final}"
            )

    @abstractmethod
    def left(self, fallen: float) -> float:
        """What is left of the fall, from 1 to 0, at a share of it in [0, 1]."""

    def rate(self, progress: float) -> float:
        if progress < self.warm_up:
            return progress / self.warm_up
        fallen = (progress - self.warm_up) / (1 - self.warm_up)
        return self.final + (1 - self.final) * self.left(fallen)

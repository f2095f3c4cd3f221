"""The learning rate rises and falls in straight lines (Goyal et al. 2017, section 2.2; Li et al. 2020).

The rise keeps the first steps, taken at random weights, from undoing each other; a fall to 0 in a
straight line is the budgeted training's schedule of choice (Li et al. 2020, "Budgeted Training").
"""

from dataclasses import dataclass

from trainer.ingredients import Schedule


@dataclass(frozen=True)
class Linear(Schedule):
    """Up to the base rate, then down to `final` of it.

    warm_up: the share of the training in which the rate rises from 0
    final: the share of the base rate that the training ends with
    """

    warm_up: float = 0.05
    final: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warm_up < 1 or not 0 <= self.final <= 1:
            raise ValueError(
                f"warm_up must be in [0, 1) and final in [0, 1], not {self.warm_up}, {self.final}"
            )

    def rate(self, progress: float) -> float:
        if progress < self.warm_up:
            return progress / self.warm_up
        return 1 - (1 - self.final) * (progress - self.warm_up) / (1 - self.warm_up)

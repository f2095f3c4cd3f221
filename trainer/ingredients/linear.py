"""The learning rate rises and falls in straight lines (Goyal et al. 2017, section 2.2; Li et al. 2020).

The rise keeps the first steps, taken at random weights, from undoing each other; a fall to 0 in a
straight line is the budgeted training's schedule of choice (Li et al. 2020, "Budgeted Training").
"""

from dataclasses import dataclass

from trainer.ingredients._warm_up import WarmedUp


@dataclass(frozen=True)
class Linear(WarmedUp):
    """Up to the base rate, then down to `final` of it.

    warm_up: the share of the training in which the rate rises from 0
    final: the share of the base rate that the training ends with
    """

    warm_up: float = 0.05

    def left(self, fallen: float) -> float:
        return 1 - fallen

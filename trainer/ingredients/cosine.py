"""The learning rate falls along half a cosine (Loshchilov and Hutter 2017, equation 5, without restarts)."""

import math
from dataclasses import dataclass

from trainer.ingredients._warm_up import WarmedUp


@dataclass(frozen=True)
class Cosine(WarmedUp):
    """From the base rate to `final` of it, after a linear rise.

    warm_up: the share of the training in which the rate rises from 0
    final: the share of the base rate that the training ends with
    """

    def left(self, fallen: float) -> float:
        return (1 + math.cos(math.pi * fallen)) / 2

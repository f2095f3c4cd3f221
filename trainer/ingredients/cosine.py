"""Half a cosine of the learning rate (Loshchilov and Hutter 2017, equation 5, without restarts)."""

import math
from dataclasses import dataclass

from trainer.ingredients._warm_up import WarmedUp


@dataclass(frozen=True)
class Cosine(WarmedUp):
    """Cosine annealing after a linear warm-up."""

    def decay(self, share: float) -> float:
        return (1 + math.cos(math.pi * share)) / 2

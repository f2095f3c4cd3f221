"""One rise and one fall of the learning rate, each half a cosine (Smith and Topin 2018, section 2).

With torch's defaults. Momentum stays as it is: the paper turns it down while the rate is up, but
here a schedule sets the rate alone.
"""

import math
from dataclasses import dataclass

from trainer.ingredients import Schedule


@dataclass(frozen=True)
class OneCycle(Schedule):
    """From `first` of the base rate up to all of it and down to `last` of it.

    rise: the share of the training in which the rate rises
    """

    rise: float = 0.3
    first: float = 0.04
    last: float = 4e-6

    def __post_init__(self) -> None:
        if not 0 < self.rise < 1:
            raise ValueError(f"rise must be between 0 and 1, not {self.rise}")
        if not 0 <= self.first <= 1 or not 0 <= self.last <= 1:
            raise ValueError(f"first and last must be in [0, 1], not {self.first}, {self.last}")

    def rate(self, progress: float) -> float:
        if progress < self.rise:
            return _along_cosine(self.first, 1.0, progress / self.rise)
        return _along_cosine(1.0, self.last, (progress - self.rise) / (1 - self.rise))


def _along_cosine(begin: float, end: float, gone: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * gone)) / 2

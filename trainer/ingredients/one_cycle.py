"""One cycle of the learning rate (Smith and Topin 2018, section 2), with the defaults of torch's OneCycleLR.

Momentum stays constant. The paper lowers it while the rate is high, but a schedule here sets the rate only.
"""

import math
from dataclasses import dataclass

from trainer.ingredients import Schedule, within


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a cosine up from `first` times the base rate, and half a cosine down to `last` times it.

    rise: fraction of the training in which the rate rises
    """

    rise: float = within(0.3, above=0, below=1)
    first: float = within(0.04, at_least=0, at_most=1)
    last: float = within(4e-6, at_least=0, at_most=1)

    def rate(self, progress: float) -> float:
        if progress < self.rise:
            return _interpolate(self.first, 1.0, progress / self.rise)
        return _interpolate(1.0, self.last, (progress - self.rise) / (1 - self.rise))


def _interpolate(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2

"""Sharpness-aware minimization (Foret et al. 2021, equation 2 and algorithm 1).

Twice the work of a step, so `start` leaves it for the end of a training (Andriushchenko and
Flammarion 2022 find that the end decides).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.ingredients import Perturbation, _ascent

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sam(Perturbation):
    """The second gradient is taken where the weights have gone `rho` up the first: w + rho g / |g|.

    rho: the length of the way, above 0
    start: progress from which a step has two passes
    """

    rho: float = 0.05
    start: float = 0.0

    def __post_init__(self) -> None:
        _ascent.check(self.rho, self.start)

    def active(self, progress: float) -> bool:
        return progress >= self.start

    def ascend(self, weights: "Sequence[Tensor]") -> "Sequence[Tensor]":
        gradients = _ascent.gradients(weights)
        return _ascent.move(weights, gradients, self.rho / _ascent.norm(gradients))

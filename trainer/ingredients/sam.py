"""Sharpness-aware minimization (Foret et al. 2021, equation 2 and algorithm 1).

It doubles the work of a step. `start` can delay it: only the end of a training matters much (Andriushchenko
and Flammarion 2022).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from trainer.ingredients import Perturbation, _ascent, within


@dataclass(frozen=True)
class Sam(Perturbation):
    """Take the second gradient at w + rho g / |g|.

    rho: length of the perturbation
    start: progress from which a step has two passes
    """

    rho: float = within(0.05, above=0)
    start: float = within(0.0, at_least=0, at_most=1)

    def active(self, progress: float) -> bool:
        return progress >= self.start

    def ascend(self, weights: Sequence[Tensor], names: Sequence[str]) -> Sequence[Tensor]:
        gradients = _ascent.get_gradients(weights)
        return _ascent.move(weights, gradients, self.rho / _ascent.compute_norm(gradients))

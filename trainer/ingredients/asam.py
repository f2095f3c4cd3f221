"""Adaptive sharpness-aware minimization (Kwon et al. 2021, algorithm 1, p = 2).

The perturbation is relative to each weight, so scaling one layer up and the next one down changes nothing.
Biases are perturbed as in SAM. Algorithm 1 says the same of norms' scales, but its authors' code scales every
parameter that is called a weight, norms' scales too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import Perturbation, _ascent, within


@dataclass(frozen=True)
class Asam(Perturbation):
    """Take the second gradient at w + rho T²g / |Tg|, where T = |w| + eta, or 1 for biases.

    rho: length of the perturbation; about ten times SAM's
    eta: added to the size of each weight
    start: progress from which a step has two passes
    norms: whether norms' scales have T = |w| + eta, as in the authors' code; else T = 1
    """

    rho: float = within(0.5, above=0)
    eta: float = within(0.01, at_least=0)
    start: float = within(0.0, at_least=0, at_most=1)
    norms: bool = True

    def active(self, progress: float) -> bool:
        return progress >= self.start

    def ascend(self, weights: Sequence[Tensor], names: Sequence[str]) -> Sequence[Tensor]:
        with torch.no_grad():
            sizes = [
                weight.abs() + self.eta if self._is_scaled(weight, name) else torch.ones_like(weight)
                for weight, name in zip(weights, names, strict=True)
            ]
            scaled = torch._foreach_mul(_ascent.get_gradients(weights), sizes)
            length = self.rho / _ascent.compute_norm(scaled)
            return _ascent.move(weights, torch._foreach_mul(scaled, sizes), length)

    def _is_scaled(self, weight: Tensor, name: str) -> bool:
        return weight.ndim > 1 or (self.norms and "weight" in name)

"""Adaptive sharpness-aware minimization (Kwon et al. 2021, algorithm 1, p = 2).

The perturbation is relative to each weight, so scaling one layer up and the next one down changes nothing.
Biases and norms, which are those of one dimension, are perturbed as in SAM.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.ingredients import Perturbation, _ascent, within


@dataclass(frozen=True)
class Asam(Perturbation):
    """Take the second gradient at w + rho T²g / |Tg|, where T = |w| + eta, or 1 for one dimension.

    rho: length of the perturbation; about ten times SAM's
    eta: added to the size of each weight
    start: progress from which a step has two passes
    """

    rho: float = within(0.5, above=0)
    eta: float = within(0.01, at_least=0)
    start: float = within(0.0, at_least=0, at_most=1)

    def active(self, progress: float) -> bool:
        return progress >= self.start

    def ascend(self, weights: Sequence[Tensor]) -> Sequence[Tensor]:
        with torch.no_grad():
            sizes = [
                weight.abs() + self.eta if weight.ndim > 1 else torch.ones_like(weight) for weight in weights
            ]
            scaled = torch._foreach_mul(_ascent.get_gradients(weights), sizes)
            length = self.rho / _ascent.compute_norm(scaled)
            return _ascent.move(weights, torch._foreach_mul(scaled, sizes), length)

"""Adaptive sharpness-aware minimization (Kwon et al. 2021, algorithm 1, p = 2).

A way is measured in shares of each weight, so that scaling a layer up and the next one down changes
nothing. Biases and norms, told by their one dimension, are measured as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.ingredients import Perturbation, _ascent

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Asam(Perturbation):
    """The second gradient is taken at w + rho T²g / |Tg|, where T = |w| + eta, or 1 for one dimension.

    rho: the length of the way, above 0; about ten times SAM's
    eta: what the smallest weights count as, 0 or more
    start: progress from which a step has two passes
    """

    rho: float = 0.5
    eta: float = 0.01
    start: float = 0.0

    def __post_init__(self) -> None:
        _ascent.check(self.rho, self.start)
        if not self.eta >= 0:
            raise ValueError(f"eta must be 0 or more, not {self.eta}")

    def active(self, progress: float) -> bool:
        return progress >= self.start

    def ascend(self, weights: "Sequence[Tensor]") -> "Sequence[Tensor]":
        import torch

        with torch.no_grad():
            sizes = [
                weight.abs() + self.eta if weight.ndim > 1 else torch.ones_like(weight) for weight in weights
            ]
            scaled = torch._foreach_mul(_ascent.gradients(weights), sizes)
            length = self.rho / _ascent.norm(scaled)
            return _ascent.move(weights, torch._foreach_mul(scaled, sizes), length)

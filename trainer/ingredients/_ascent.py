"""The way up that sharpness-aware methods share: in place, for a CUDA graph keeps the weights' addresses.

torch is imported where it is used, so that strengths are refused without it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_LEAST_NORM = 1e-12


def check(rho: float, start: float) -> None:
    """Raises ValueError where these are out of range."""
    if not rho > 0:
        raise ValueError(f"rho must be above 0, not {rho}")
    if not 0 <= start <= 1:
        raise ValueError(f"start must be in [0, 1], not {start}")


def gradients(weights: "Sequence[Tensor]") -> "list[Tensor]":
    """Of the weights, all of which have one."""
    return [weight.grad for weight in weights if weight.grad is not None]


def norm(tensors: "Sequence[Tensor]") -> "Tensor":
    """Of all of them as one vector; 0-d, and never 0."""
    import torch

    whole: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(tensors))))
    return whole + _LEAST_NORM


def move(weights: "Sequence[Tensor]", directions: "Sequence[Tensor]", length: "Tensor") -> "list[Tensor]":
    """Add 0-d `length` times the directions to the weights; returns copies of what they were.

    Copies, because subtracting the way again would leave an infinite gradient's trace in the weights.
    """
    import torch

    with torch.no_grad():
        kept = [weight.detach().clone() for weight in weights]
        torch._foreach_add_(list(weights), torch._foreach_mul(list(directions), length))
    return kept

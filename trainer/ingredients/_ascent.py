"""The weight perturbation that SAM and ASAM share.

It is in place, because a CUDA graph keeps the weights' addresses.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_SMALLEST_NORM = 1e-12


def get_gradients(weights: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of the weights, all of which have one."""
    return [weight.grad for weight in weights if weight.grad is not None]


def compute_norm(tensors: Sequence[Tensor]) -> Tensor:
    """The L2 norm of all tensors as one vector; 0-d, and never 0."""
    whole: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(tensors))))
    return whole + _SMALLEST_NORM


def move(weights: Sequence[Tensor], directions: Sequence[Tensor], length: Tensor) -> list[Tensor]:
    """Add 0-d `length` times the directions to the weights; return copies of what they were.

    Subtracting the same again would leave the weights infinite after an infinite gradient.
    """
    with torch.no_grad():
        kept = [weight.detach().clone() for weight in weights]
        torch._foreach_add_(list(weights), torch._foreach_mul(list(directions), length))
    return kept

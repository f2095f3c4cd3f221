"""Gradients of mean zero (Yong et al. 2020, equation 1).

The mean is one output's, over all its inputs: each column of the paper's weight matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.ingredients import Gradients

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GradientCentralization(Gradients):
    """Takes the mean over all dimensions but the first from the gradient of each weight of two or more.

    conv_only: leave the fully connected layers as they are
    """

    conv_only: bool = False

    def __call__(self, weights: "Sequence[Tensor]") -> None:
        fewest = 4 if self.conv_only else 2
        for gradient in (weight.grad for weight in weights):
            assert gradient is not None
            if gradient.ndim >= fewest:
                gradient.sub_(gradient.mean(tuple(range(1, gradient.ndim)), keepdim=True))

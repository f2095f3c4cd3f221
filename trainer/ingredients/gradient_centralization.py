"""Gradients of mean zero (Yong et al. 2020, equation 1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from trainer.ingredients import Gradients


@dataclass(frozen=True)
class GradientCentralization(Gradients):
    """Subtract each output's mean over its inputs from the gradients of weights of two dimensions or more.

    conv_only: leave fully connected layers as they are
    """

    conv_only: bool = False

    def __call__(self, weights: Sequence[Tensor]) -> None:
        fewest = 4 if self.conv_only else 2
        for gradient in (weight.grad for weight in weights):
            assert gradient is not None
            if gradient.ndim >= fewest:
                gradient.sub_(gradient.mean(tuple(range(1, gradient.ndim)), keepdim=True))

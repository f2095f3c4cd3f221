"""Gradient centralization against pytorch_optimizer's, imported where it is used (see test_asam.py)."""

import pytest
import torch

from tests.trainer.ingredients._networks import backward, network
from trainer.ingredients.gradient_centralization import GradientCentralization


@pytest.mark.parametrize("conv_only", [False, True])
def test_gradients_become_what_the_reference_makes_of_them(conv_only: bool) -> None:
    from pytorch_optimizer.optimizer.gradient_centralization import centralize_gradient

    learner = network()
    backward(learner, 0)
    before = [weight.grad.clone() for weight in learner.parameters() if weight.grad is not None]
    expected = [gradient.clone() for gradient in before]
    for gradient in expected:
        centralize_gradient(gradient, gc_conv_only=conv_only)
    GradientCentralization(conv_only)([*learner.parameters()])
    after = [weight.grad for weight in learner.parameters() if weight.grad is not None]
    torch.testing.assert_close(after, expected)
    changed = [not torch.allclose(now, was) for now, was in zip(after, before, strict=True)]
    assert changed == [True, False, False, False, not conv_only, False]

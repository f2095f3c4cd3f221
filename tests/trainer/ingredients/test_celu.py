"""CELU in place of ReLU."""

import pytest
import torch
from torch import nn

from tests.trainer.ingredients._networks import batch, network
from trainer.errors import InvalidConfig
from trainer.ingredients.celu import Celu


def test_every_relu_becomes_a_celu_and_nothing_else_changes() -> None:
    relu = nn.ReLU(inplace=True)
    changed = Celu(0.3).apply(nn.Sequential(relu, nn.Sequential(nn.Conv2d(1, 1, 1), relu), nn.ReLU6()))
    assert repr(changed).count("CELU(alpha=0.3, inplace=True)") == 2
    first, inner, last = changed.children()
    assert isinstance(last, nn.ReLU6)
    assert first is list(inner.children())[1]


def test_the_activation_is_the_papers_equation() -> None:
    inputs = torch.linspace(-2, 2, 9)
    expected = torch.where(inputs >= 0, inputs, 0.3 * (torch.exp(inputs / 0.3) - 1))
    torch.testing.assert_close(Celu(0.3).apply(nn.Sequential(nn.ReLU()))(inputs), expected)


def test_a_tiny_alpha_leaves_the_network_as_it_was() -> None:
    inputs, _ = batch(0)
    torch.testing.assert_close(Celu(1e-6).apply(network())(inputs), network()(inputs), rtol=1e-4, atol=1e-5)


def test_a_network_without_relu_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="has no ReLU"):
        Celu().apply(nn.Sequential(nn.SiLU()))


def test_an_alpha_that_is_not_above_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha must be above 0"):
        Celu(0.0)

"""A library's network loses its first halvings, whatever their modules are called."""

import pytest
import torch
from torch import Tensor, nn

from trainer.models._small_input import fit_small_input


class Branched(nn.Module):
    """Halves once by a convolution beside its shortcut, once by a pool, once by a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.first = nn.ModuleDict(
            {"change": nn.Conv2d(3, 8, 3, stride=2, padding=1), "kept": nn.Conv2d(3, 8, 1, stride=(2, 2))}
        )
        self.mean = nn.AdaptiveAvgPool2d((1, 1))

    def features(self, images: Tensor) -> Tensor:
        total = self.first["change"](images) + self.first["kept"](images)
        features: Tensor = self.last(self.pool(total))
        return features

    def forward(self, images: Tensor) -> Tensor:
        pooled: Tensor = self.mean(self.features(images))
        return pooled


@pytest.mark.parametrize(("reduction", "pixels"), [(8, 4), (4, 8), (2, 16), (1, 32)])
def test_the_first_halvings_are_undone(reduction: int, pixels: int) -> None:
    network = Branched()
    assert fit_small_input(network, reduction) is network
    assert network.features(torch.rand(2, 3, 32, 32)).shape == (2, 8, pixels, pixels)


def test_a_shortcut_loses_its_stride_together_with_what_it_runs_beside() -> None:
    network = Branched()
    fit_small_input(network, reduction=4)
    assert [module.stride for module in network.first.values()] == [(1, 1), (1, 1)]
    assert network.last.stride == (2, 2)
    assert isinstance(network.pool, nn.MaxPool2d)


def test_fitting_leaves_weights_random_state_and_mode_alone() -> None:
    network, before = Branched(), torch.get_rng_state()
    weights = nn.utils.parameters_to_vector(network.parameters()).clone()
    fit_small_input(network, reduction=2)
    assert torch.equal(nn.utils.parameters_to_vector(network.parameters()), weights)
    assert torch.equal(torch.get_rng_state(), before)
    assert network.training


def test_the_mean_in_place_of_a_pool_is_the_pool_s() -> None:
    network, images = Branched(), torch.rand(2, 3, 32, 32)
    before = network(images)
    assert torch.allclose(fit_small_input(network, reduction=8)(images), before, atol=1e-6)


def test_a_network_that_reduces_less_is_refused() -> None:
    with pytest.raises(ValueError, match="the network reduces an image 8 times, not 16"):
        fit_small_input(Branched(), reduction=16)

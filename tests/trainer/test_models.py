"""What every network does: it runs, learns and is counted at any size."""

import importlib

import pytest
import torch
from torch import nn

from tests.thinned import rest_slow
from trainer import models
from trainer.models import Shape

RESOLUTIONS = (8, 13, 32)
FEW = ("googlenet", "mobilenetv1", "resnet18", "resnet9", "resnet_budget", "senet18")  # one of a kind


def smallest(name: str, pixels: int) -> Shape:
    """A thin network of as few blocks as the family has."""
    base = importlib.import_module(f"trainer.models.{name}").BASE
    depth = sum(map(bool, base.blocks)) / sum(base.blocks) if "depth" in models.scales(name) else 1.0
    width = 0.25 if "width" in models.scales(name) else 1.0
    return models.realise(name, depth, width, 1.0, pixels)


def images(shape: Shape) -> torch.Tensor:
    return torch.rand(2, 3, shape.resolution, shape.resolution)


@pytest.mark.parametrize("name", models.names())
def test_any_resolution_and_two_images_make_a_network_that_learns(name: str) -> None:
    for pixels in RESOLUTIONS:
        shape = smallest(name, pixels)
        network = models.build(name, shape, 3)
        logits = network(images(shape))
        assert logits.shape == (2, 3)
    logits.sum().backward()
    assert all(weights.grad is not None for weights in network.parameters())


@pytest.mark.parametrize("name", rest_slow(models.names(), FEW))
def test_the_largest_resolution_is_taken(name: str) -> None:
    shape = smallest(name, 128)
    with torch.no_grad():
        assert models.build(name, shape, 3).eval()(images(shape)).shape == (2, 3)


@pytest.mark.parametrize("name", models.names())
def test_norms_and_activations_are_modules_of_the_plain_kinds(name: str) -> None:
    """Techniques replace them by kind: ghost batch norm the one, CELU the other."""
    kinds = {type(module) for module in models.build(name, smallest(name, 8), 3).modules()}
    norms = {kind for kind in kinds if issubclass(kind, nn.modules.batchnorm._NormBase)}
    assert norms == {nn.BatchNorm2d}
    assert kinds & {nn.ReLU, nn.ReLU6, nn.SiLU}


@pytest.mark.parametrize("name", models.names())
def test_a_seed_draws_the_same_weights_again(name: str) -> None:
    shape = smallest(name, 8)
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(nn.utils.parameters_to_vector(models.build(name, shape, 3).parameters()))
    assert torch.equal(*drawn)


@pytest.mark.parametrize("name", models.names())
def test_a_network_has_a_summary_of_one_line(name: str) -> None:
    assert models.summary(name).endswith(".")
    assert models.summary(name) != name


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_gradients_lie_in_memory_as_their_weights_do(name: str) -> None:
    """Otherwise fused optimizers would fall back to a kernel for each weight."""
    width = 0.25 if "width" in models.scales(name) else 1.0
    shape = models.realise(name, 1, width, 1, 32)
    network = models.build(name, shape, 10).to(memory_format=torch.channels_last)
    inputs = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    network(inputs).sum().backward()
    for weight in network.parameters():
        assert weight.grad is not None
        sizes = zip(weight.shape, weight.stride(), weight.grad.stride(), strict=True)
        assert all(one == other for size, one, other in sizes if size > 1)

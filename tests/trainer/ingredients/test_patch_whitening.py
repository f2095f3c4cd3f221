"""Whitened patches of the images that the filters were fitted to."""

import pytest
import torch
from torch import Tensor, nn

from trainer import models
from trainer.errors import InvalidConfig
from trainer.ingredients.patch_whitening import PatchWhitening
from trainer.models import Shape


def images() -> Tensor:
    """Smooth ones [300, 3, 8, 8] of mean 0, as photographs are: neighbours are alike."""
    noise = torch.randn(300, 3, 10, 10, generator=torch.Generator().manual_seed(0))
    smooth = (
        nn.functional.avg_pool2d(noise, 3, 1)
        + 0.2 * noise[..., :8, :8]
        + noise.mean(1, keepdim=True)[..., 1:9, 1:9]
    )
    return (smooth - smooth.mean((0, 2, 3), keepdim=True)) / smooth.std((0, 2, 3), keepdim=True)


def fitted(eps: float) -> nn.Module:
    whitening = PatchWhitening(eps)
    network = whitening.apply(nn.Sequential(nn.Conv2d(3, 5, 3, padding=1, bias=False), nn.ReLU()))
    whitening.fit(network, images())
    return network


def covariance(network: nn.Module) -> Tensor:
    """Of the 27 whitened values, where the patches lie within the image."""
    whitened = network[0][0](images())[..., 1:-1, 1:-1]  # type: ignore[index]
    return torch.cov(whitened.transpose(0, 1).flatten(1))


def test_whitened_patches_have_unit_covariance() -> None:
    assert float(torch.cov(nn.functional.unfold(images(), 3).transpose(0, 1).flatten(1))[0, 1:].max()) > 0.3
    torch.testing.assert_close(covariance(fitted(1e-9)), torch.eye(27), rtol=0, atol=1e-3)


def test_a_large_eps_keeps_what_hardly_varies_small() -> None:
    variances = covariance(fitted(0.5)).diagonal()
    assert float(variances[0]) > 0.9
    assert variances.tolist() == sorted(variances.tolist(), reverse=True)
    assert float(variances[-1]) < 0.5


def test_the_filters_are_those_of_pages_code() -> None:
    patches = nn.functional.unfold(images(), 3).transpose(0, 1).flatten(1)
    variances, axes = torch.linalg.eigh(torch.cov(patches.double(), correction=0))
    filters = (axes / (variances + 1e-2).sqrt()).T.flip(0).float()  # V / sqrt(L + eps), the largest L first
    found = fitted(PatchWhitening().eps)[0][0](images())[..., 1:-1, 1:-1]  # type: ignore[index]
    found = found.transpose(0, 1).flatten(1)
    torch.testing.assert_close(found.abs(), (filters @ patches).abs(), rtol=1e-3, atol=1e-3)


def test_in_half_precision_the_filters_stay_exact_and_the_rest_does_not() -> None:
    network = fitted(1e-2)
    exact = network[0][0](images())  # type: ignore[index]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network[0][0](images()), exact)  # type: ignore[index]
        assert network[0](images()).dtype == torch.bfloat16  # type: ignore[index]
        older = PatchWhitening(1e-2, fp32=False).apply(nn.Sequential(nn.Conv2d(3, 5, 3, padding=1)))
        assert older[0][0](images()).dtype == torch.bfloat16  # type: ignore[index]


def test_the_filters_are_not_learned_and_the_1x1_convolution_is() -> None:
    network = fitted(1e-3)
    assert [tuple(weight.shape) for weight in network.parameters()] == [(5, 27, 1, 1)]
    assert network(images()).shape == (300, 5, 8, 8)


@pytest.mark.parametrize("name", ["resnet9", "resnet18"])
def test_a_network_of_the_folder_takes_it_and_keeps_its_shape(name: str) -> None:
    shape = Shape((8, 8, 8, 8), (0, 1, 0, 1) if name == "resnet9" else (1, 1, 1, 1), 16)
    network = models.build(name, shape, 4)
    before = sum(weight.numel() for weight in network.parameters())
    whitening = PatchWhitening()
    network = whitening.apply(network)
    whitening.fit(network, torch.randn(20, 3, 16, 16))
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 4)
    assert sum(weight.numel() for weight in network.parameters()) == before  # 27 x 8 both times


@pytest.mark.parametrize(
    "stem",
    [nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(3, 8, 5, padding=2), nn.Conv2d(1, 8, 3, padding=1)],
)
def test_a_stem_of_another_shape_is_refused_with_the_reason(stem: nn.Module) -> None:
    with pytest.raises(InvalidConfig, match=r"this network's is Conv2d\("):
        PatchWhitening().apply(nn.Sequential(stem))


def test_a_network_without_a_convolution_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="has no convolution"):
        PatchWhitening().apply(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)))


def test_an_eps_that_is_not_above_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="eps must be above 0"):
        PatchWhitening(0.0)

"""A first layer that decorrelates 3x3 patches (Jégou and Chum 2012; Awad et al.'s ResNet-9, section 2.4.4).

It replaces the network's first convolution: 27 fixed filters, the principal axes of the training images'
patches, each divided by its standard deviation, then a trainable 1x1 convolution to as many channels as
before. The first convolution must therefore be 3x3 of stride 1. The paper gives no eps; its wording is that
of Page's "How to train your ResNet 8: Bag of tricks", whose code has .01 for 3x3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.errors import InvalidConfig
from trainer.ingredients import Surgery, within

_PATCH = 27  # values of 3 channels x 3 x 3 pixels
_CHUNK = 256  # images at once when cut into patches


@dataclass(frozen=True)
class PatchWhitening(Surgery):
    """Fit the filters once before training, and keep them.

    eps: added to each variance, so that small variances are not amplified; a pixel's variance is 1
    fp32: whether the fixed filters run in fp32 whatever the precision; they subtract nearly equal pixels, for
        which bf16 has too few digits
    """

    eps: float = within(1e-2, above=0)
    fp32: bool = True

    def apply(self, network: nn.Module) -> nn.Module:
        name, stem = _find_stem(network)
        one_by_one = nn.Conv2d(_PATCH, stem.out_channels, 1, bias=stem.bias is not None)
        whitened = nn.Sequential(_Whitening(self.fp32), one_by_one.to(stem.weight.device))
        network.set_submodule(name, whitened.to(stem.weight.device))
        return network

    def fit(self, network: nn.Module, inputs: Tensor) -> None:
        (whitening,) = (module for module in network.modules() if isinstance(module, _Whitening))
        variances, axes = torch.linalg.eigh(_compute_covariance(inputs))
        filters = axes.T / (variances + self.eps).sqrt()[:, None]
        whitening.filters.copy_(filters.flip(0).view(_PATCH, 3, 3, 3))  # largest variance first


class _Whitening(nn.Module):
    """A convolution with fixed filters; before the fit each takes one pixel."""

    filters: Tensor  # [27, 3, 3, 3]

    def __init__(self, fp32: bool) -> None:
        super().__init__()
        self._fp32 = fp32
        self.register_buffer("filters", torch.eye(_PATCH).view(_PATCH, 3, 3, 3))

    def forward(self, images: Tensor) -> Tensor:
        """float [B, 3, S, S] to [B, 27, S, S]."""
        kind = images.device.type
        if not self._fp32 or kind == "meta" or not torch.is_autocast_enabled(kind):
            return F.conv2d(images, self.filters, padding=1)
        with torch.autocast(kind, enabled=False):
            return F.conv2d(images.float(), self.filters, padding=1)


def _find_stem(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """The first convolution and its name. Raises InvalidConfig if whitening cannot replace it."""
    convolutions = ((name, one) for name, one in network.named_modules() if isinstance(one, nn.Conv2d))
    name, stem = next(convolutions, ("", None))
    if stem is None or not name:
        raise InvalidConfig("ingredient patch_whitening: the network has no convolution; omit it")
    shape = (stem.in_channels, stem.kernel_size, stem.stride, stem.padding, stem.dilation)
    if shape != (3, (3, 3), (1, 1), (1, 1), (1, 1)):
        raise InvalidConfig(
            "ingredient patch_whitening replaces a first convolution of 3 channels, 3x3, stride 1 and "
            f"padding 1, but this network's is {stem}; omit it, or use resnet9 or resnet18"
        )
    return name, stem


def _compute_covariance(inputs: Tensor) -> Tensor:
    """float64 [27, 27], of all 3x3 patches of images [n, 3, S, S]."""
    total = torch.zeros(_PATCH, dtype=torch.float64, device=inputs.device)
    square = torch.zeros(_PATCH, _PATCH, dtype=torch.float64, device=inputs.device)
    count = 0
    for chunk in torch.split(inputs, _CHUNK):
        patches = F.unfold(chunk, 3).transpose(1, 2).reshape(-1, _PATCH).double()
        total += patches.sum(0)
        square += patches.T @ patches
        count += len(patches)
    mean = total / count
    return square / count - mean.outer(mean)

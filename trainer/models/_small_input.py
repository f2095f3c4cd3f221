"""Fit a library's network, made for images of 224 pixels, to small ones.

Such a network halves its input five times, which leaves one pixel of 32. The
first halvings are undone until the wanted ones are left: a convolution loses
its stride, a pool goes. Which module halves which resolution is seen by sending
an image through a copy, since libraries name and nest them differently, and a
shortcut must keep step with what it runs beside. Pools to one pixel become means,
for `torch.vmap` has no rule for the pools in every memory format.
"""

import copy

import torch
from torch import Tensor, nn

_PROBE_PIXELS = 64
_Strided = nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d


def fitted(network: nn.Module, reduction: int) -> nn.Module:
    """`network` itself, which then reduces the image's side `reduction` times, a power of 2.

    Raises ValueError where it reduces less than that by itself.
    """
    halved = _resolutions_halved(network)
    levels = sorted(set(halved.values()), reverse=True)
    undone = len(levels) - (reduction.bit_length() - 1)
    if undone < 0:
        raise ValueError(f"the network reduces an image {2 ** len(levels)} times, not {reduction}")
    for name, resolution in halved.items():
        if resolution in levels[:undone]:
            _keep_resolution(network, name)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
            _replace(network, name, Mean())
    return network


class Mean(nn.Module):
    """The mean over the image, whatever its size."""

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] to [N, C, 1, 1]."""
        return features.mean((2, 3), keepdim=True)


def _resolutions_halved(network: nn.Module) -> dict[str, int]:
    """The module's name and the pixels a side that it is given, of every module of stride 2."""
    probed = copy.deepcopy(network).to_empty(device="cpu").eval()
    seen: dict[str, int] = {}
    for name, module in probed.named_modules():
        if isinstance(module, _Strided) and module.stride in (2, (2, 2)):
            module.register_forward_pre_hook(
                lambda _, given, name=name: seen.update({name: _pixels(given[0])})
            )
    with torch.no_grad():
        probed(torch.zeros(1, 3, _PROBE_PIXELS, _PROBE_PIXELS, device="cpu"))
    return seen


def _pixels(features: Tensor) -> int:
    return features.shape[-1]


def _keep_resolution(network: nn.Module, name: str) -> None:
    module = network.get_submodule(name)
    if isinstance(module, nn.Conv2d):
        module.stride = (1, 1)
    else:
        _replace(network, name, nn.Identity())


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)

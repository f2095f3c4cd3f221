"""Adapt a library's network, made for images of 224 pixels, to small ones.

Such a network halves its input five times, which leaves one pixel of 32. The first halvings are undone: a
convolution gets stride 1, and a pool is removed. Passing an image through a copy shows which module halves
which resolution, because libraries name and nest them differently, and a shortcut must match the path beside
it. Pools to one pixel become means, because `torch.vmap` does not support them in every memory format.
"""

import copy

import torch
from torch import Tensor, nn

_PROBE_PIXELS = 64
_Strided = nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d


def fit_small_input(network: nn.Module, reduction: int) -> nn.Module:
    """Change `network` so that it reduces the image's side `reduction` times, a power of 2; return it.

    Raises ValueError if it reduces less than that by itself.
    """
    halved = _find_halvings(network)
    levels = sorted(set(halved.values()), reverse=True)
    undone = len(levels) - (reduction.bit_length() - 1)
    if undone < 0:
        raise ValueError(f"the network reduces an image {2 ** len(levels)} times, not {reduction}")
    for name, resolution in halved.items():
        if resolution in levels[:undone]:
            module = network.get_submodule(name)
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
            else:
                network.set_submodule(name, nn.Identity())
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
            network.set_submodule(name, Mean())
    return network


class Mean(nn.Module):
    """The mean over the image."""

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, H, W] to [N, C, 1, 1]."""
        return features.mean((2, 3), keepdim=True)


def _find_halvings(network: nn.Module) -> dict[str, int]:
    """The name of every module of stride 2, and the side of its input in pixels."""
    probed = copy.deepcopy(network).to_empty(device="cpu").eval()
    seen: dict[str, int] = {}
    for name, module in probed.named_modules():
        if isinstance(module, _Strided) and module.stride in (2, (2, 2)):
            module.register_forward_pre_hook(lambda _, x, name=name: seen.update({name: x[0].shape[-1]}))
    with torch.no_grad():
        probed(torch.zeros(1, 3, _PROBE_PIXELS, _PROBE_PIXELS, device="cpu"))
    return seen

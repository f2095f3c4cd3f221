"""Modules of a network put in place of others, wherever these are."""

from collections.abc import Callable

from torch import nn


def swap(network: nn.Module, kind: type[nn.Module], new: Callable[[nn.Module], nn.Module]) -> int:
    """Put `new` of each module of exactly this kind in its place; how many there were.

    A subclass may do more than its kind, so it stays. One module in two places is one afterwards.
    """
    made: dict[nn.Module, nn.Module] = {}
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is kind:
                made.setdefault(child, new(child))
                setattr(parent, name, made[child])
    return len(made)

"""Replace modules of a network by kind."""

from collections.abc import Callable

from torch import nn


def swap(network: nn.Module, kind: type[nn.Module], new: Callable[[nn.Module], nn.Module]) -> int:
    """Replace each module of exactly this kind by `new(module)`; return how many there were.

    A subclass may do more than its parent, so it stays. A module that occurs twice is replaced by one.
    """
    made: dict[nn.Module, nn.Module] = {}
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is kind:
                made.setdefault(child, new(child))
                setattr(parent, name, made[child])
    return len(made)

"""Wide ResNet WRN-16-8: 16 layers, 8 times as wide as the thin network (Zagoruyko and Komodakis 2016)."""

from torch import nn

from trainer.models import _wide
from trainer.models._scale import Shape

BASE = _wide.base(depth=16, k=8)


def build(shape: Shape, classes: int) -> nn.Module:
    """The network of a shape."""
    return _wide.build(shape, classes, BASE)

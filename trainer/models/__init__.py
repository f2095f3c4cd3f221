"""The base networks: one file each, named on the command line by its file's name.

A file has a docstring whose first line is the network's summary, a `BASE` (the
channels and blocks of its stages) and `build(shape, classes)`. Listing the
networks reads docstrings and imports nothing, so it needs no torch.
"""

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from trainer.models._scale import Base, Shape
from trainer.models._scale import realise as _realise

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SCALES", "Base", "Shape", "build", "names", "realise", "summary"]

SCALES = ("depth", "width", "resolution")


class Network(Protocol):
    """What a file in this folder offers."""

    BASE: Base

    def build(self, shape: Shape, classes: int) -> "nn.Module":
        """Takes float images [N, 3, resolution, resolution], any N >= 2, to logits [N, classes]."""


def names() -> list[str]:
    """The networks that can be named."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def summary(name: str) -> str:
    """One line about a network: its file's first."""
    text = (Path(__path__[0]) / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or name).splitlines()[0]


def realise(name: str, depth: float, width: float, resolution: float, image_size: int) -> Shape:
    """Channels, blocks and pixels of a scaled network. Raises Refused."""
    return _realise(_module(name).BASE, depth, width, resolution, image_size)


def build(name: str, shape: Shape, classes: int) -> "nn.Module":
    """A new network, its weights drawn from torch's global generator."""
    return _module(name).build(shape, classes)


def _module(name: str) -> Network:
    return cast(Network, importlib.import_module(f"{__name__}.{name}"))

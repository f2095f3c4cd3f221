"""The base networks: one file each, named on the command line by its file's name.

A file has a docstring whose first line is the network's summary, a `BASE` (the
channels and blocks of its stages) and `build(shape, classes)`. It may have
`FIXED`, a literal dictionary of the scales that the family lacks, each with the
reason. Listing the networks reads the files and imports nothing, so it needs
no torch.
"""

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from trainer.errors import Refused
from trainer.models._scale import Base, Shape
from trainer.models._scale import realise as _realise

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SCALES", "Base", "Shape", "base", "build", "names", "realise", "scales", "summary"]

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
    return (ast.get_docstring(_parsed(name)) or name).splitlines()[0]


def scales(name: str) -> tuple[str, ...]:
    """The multipliers that a network takes."""
    return tuple(scale for scale in SCALES if scale not in _fixed(name))


def base(name: str) -> Base:
    """Channels and blocks at scale 1."""
    return _module(name).BASE


def realise(name: str, depth: float, width: float, resolution: float, image_size: int) -> Shape:
    """Channels, blocks and pixels of a scaled network. Raises Refused."""
    asked = {"depth": depth, "width": width, "resolution": resolution}
    for scale, reason in _fixed(name).items():
        if asked[scale] != 1.0:
            raise Refused(f"{name} has no {scale} to multiply: {reason}; leave {scale} at 1")
    return _realise(base(name), depth, width, resolution, image_size)


def build(name: str, shape: Shape, classes: int) -> "nn.Module":
    """A new network, its weights drawn from torch's global generator."""
    return _module(name).build(shape, classes)


def _fixed(name: str) -> dict[str, str]:
    """The scales that a network lacks, each with the reason, read from its file's `FIXED`."""
    for statement in _parsed(name).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "FIXED":
            return cast(dict[str, str], ast.literal_eval(statement.value))
    return {}


def _parsed(name: str) -> ast.Module:
    return ast.parse((Path(__path__[0]) / f"{name}.py").read_text(encoding="utf-8"))


def _module(name: str) -> Network:
    return cast(Network, importlib.import_module(f"{__name__}.{name}"))

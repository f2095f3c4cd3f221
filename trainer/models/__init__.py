"""The base networks. The command line names each by its file's name.

A file has a docstring whose first line is the network's summary, a `BASE` (channels and blocks of its stages)
and `build(shape, classes)`. It may have `FIXED`, a literal dictionary of the scales that the family lacks,
with the reasons, and `Architecture`, a frozen dataclass of settings that give the base. Listing the networks
parses the files and needs no torch. `path/to/file.py:function` names a user's own network (`_own.py`).
"""

import ast
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from trainer.errors import InvalidConfig
from trainer.models import _own
from trainer.models._own import fingerprint as fingerprint
from trainer.models._own import read_own as read_own
from trainer.models._scale import Architecture, Base
from trainer.models._scale import Shape as Shape
from trainer.models._scale import realise as _realise

if TYPE_CHECKING:
    from torch import nn

SCALES = ("depth", "width", "resolution")


class Network(Protocol):
    """What a file in this folder has."""

    @property
    def BASE(self) -> Base:  # noqa: N802
        """Channels and blocks at scale 1."""

    def build(self, shape: Shape, classes: int) -> "nn.Module":
        """A network of float images [N, 3, resolution, resolution], any N >= 2, to logits [N, classes]."""


def names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def is_own(name: str) -> bool:
    """Whether a name is that of a user's own network, `path/to/file.py:function`."""
    return name.rpartition(":")[0].endswith(".py")


def summary(name: str) -> str:
    """One line about a network: the first of its file's docstring."""
    return (ast.get_docstring(_parsed(name)) or name).splitlines()[0]


def scales(name: str) -> tuple[str, ...]:
    """The multipliers that a network takes. Raises InvalidConfig for a file that is not a network."""
    return tuple(scale for scale in SCALES if scale not in _fixed(name))


def realise(
    name: str,
    depth: float,
    width: float,
    resolution: float,
    image_size: int,
    architecture: Mapping[str, Any] | None = None,
) -> Shape:
    """Channels, blocks and pixels of a scaled network. Raises InvalidConfig.

    architecture: the settings of the base by name, if the network's family has some
    """
    asked = {"depth": depth, "width": width, "resolution": resolution}
    for scale, reason in _fixed(name).items():
        if asked[scale] != 1.0:
            raise InvalidConfig(f"{name} has no {scale} to multiply: {reason}; keep {scale} at 1")
    settings = _settings(name, architecture or {})
    shape = _realise(settings.base if settings else _network(name).BASE, depth, width, resolution, image_size)
    return replace(shape, architecture=settings, source=fingerprint(read_own(name)) if is_own(name) else None)


def build(
    name: str, shape: Shape, classes: int, changes: Iterable[Callable[["nn.Module"], "nn.Module"]] = ()
) -> "nn.Module":
    """A new network after `changes`. Draws weights from torch's global generator. Raises InvalidConfig."""
    network = _network(name).build(shape, classes)
    for change in changes:
        network = change(network)
    return network


def refuse_errors(name: str) -> AbstractContextManager[None]:
    """Turn what a user's own network raises into InvalidConfig; do nothing for the others."""
    return _own.refuse_errors(name) if is_own(name) else nullcontext()


def _settings(name: str, architecture: Mapping[str, Any]) -> Architecture | None:
    """A network's settings, with defaults for the rest; None if its family has none."""
    kind = getattr(_network(name), "Architecture", None)
    if kind is None:
        if architecture:
            raise InvalidConfig(f"{name} has no settings of its own, so leave architecture empty")
        return None
    known = [field.name for field in fields(kind)]
    for key in architecture:
        if key not in known:
            words = ", ".join(known)
            raise InvalidConfig(f"unknown key {key!r} in the architecture of {name}; known: {words}")
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in architecture.items()}
    try:
        return cast(Architecture, kind(**given))
    except ValueError as error:
        raise InvalidConfig(f"the architecture of {name}: {error}") from error


def _fixed(name: str) -> Mapping[str, str]:
    """The scales that a network lacks, with the reasons, from its file's `FIXED`."""
    if is_own(name):
        return _own.load(name).FIXED
    for statement in _parsed(name).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "FIXED":
            return cast(dict[str, str], ast.literal_eval(statement.value))
    return {}


@lru_cache(maxsize=64)
def _parsed(name: str) -> ast.Module:
    return ast.parse((Path(__path__[0]) / f"{name}.py").read_text(encoding="utf-8"))


def _network(name: str) -> Network:
    if is_own(name):
        return _own.load(name)
    return cast(Network, importlib.import_module(f"{__name__}.{name}"))

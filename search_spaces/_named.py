"""A named space with what its points mean, read off its module.

A module offers `space()`, `start()` and `parts(point)`: the parts of a training's configuration
that a point settles. One whose points are architectures of one network says which in NETWORK, and
its MOST_PARAMETERS is the limit that `space` and `start` take.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from search_spaces._point import Point, Value
from search_spaces.space import Space

PARTS = ("hyperparameters", "ingredients", "architecture")  # what a point may settle
Parts = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Named:
    """A space to search for accuracy in, of any network where `network` is None."""

    name: str
    space: Space
    start: Point
    parts: Callable[[Mapping[str, Value]], Parts]
    network: str | None = None
    most_parameters: int | None = None  # a trained network's; None: no limit


def named(package: str, names: list[str], name: str, most_parameters: int | None) -> Named:
    """The space of one of `names`, whose modules are in `package`; the limit is its usual one where None.

    Raises:
        ValueError: no such space gives points a meaning, it has no limit, or nothing is under the limit.
    """
    modules = {each: importlib.import_module(f"{package}.{each}") for each in names}
    meant = [each for each, module in modules.items() if hasattr(module, "parts")]
    if name not in meant:
        raise ValueError(f"no space {name!r} can be searched for accuracy; choose one of {', '.join(meant)}")
    module = modules[name]
    usual = getattr(module, "MOST_PARAMETERS", None)
    if most_parameters is not None and usual is None:
        raise ValueError(f"the space {name} has networks of one size only; omit the parameter limit")
    return _read(name, module, usual if most_parameters is None else most_parameters)


def _read(name: str, module: ModuleType, most_parameters: int | None) -> Named:
    limit = () if most_parameters is None else (most_parameters,)
    network = getattr(module, "NETWORK", None)
    return Named(name, module.space(*limit), module.start(*limit), module.parts, network, most_parameters)

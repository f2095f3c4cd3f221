"""What may vary in a study: variables, spaces of them, and points in those spaces.

Every module besides `space` without a leading underscore is a named space. A module whose points mean the
same in any training has `space()`, `start()` and `parts(point)`: the parts of a training's configuration that
a point sets. If the points are architectures of one network, NETWORK names it, and MOST_PARAMETERS is the
default of the limit that `space` and `start` take. `scaling` has functions of its own, because multipliers
need a base network.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces._own import is_path as is_path
from search_spaces._own import read
from search_spaces._point import Point as Point
from search_spaces._point import Value as Value
from search_spaces._variables import Choice as Choice
from search_spaces._variables import Integer as Integer
from search_spaces._variables import Real as Real
from search_spaces.space import Space as Space
from search_spaces.space import Variable as Variable

PARTS = ("hyperparameters", "ingredients", "architecture")  # what a point may set
Parts = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Named:
    """A space to search for accuracy. network: the one that it is for, if any.

    most_parameters: the limit of a trained network's parameters; None: no limit
    is_own: whether it is from a file of the user's, which may change
    checksum: of that file, if it is a program
    """

    name: str
    space: Space
    start: Point
    parts: Callable[[Mapping[str, Value]], Parts]
    network: str | None = None
    most_parameters: int | None = None
    is_own: bool = False
    checksum: str | None = None


def names() -> list[str]:
    """The named spaces, which are the modules of this folder."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in modules if name != "space" and not name.startswith("_"))


def load(name: str, most_parameters: int | None = None) -> Named:
    """The space of that name or in that file (`space.toml`, `space.py:function`), for a search for accuracy.

    The points of a file's space set hyperparameters.
    most_parameters: the limit of a network's parameters, if the space has one; None: its default
    Raises ValueError if there is no such space, if it has no limit, or if no network is under the limit.
    """
    if is_path(name):
        if most_parameters is not None:
            raise ValueError("the space has networks of one size only; omit the parameter limit")
        own = read(name)
        return Named(own.name, own.space, own.start, _hyperparameters, is_own=True, checksum=own.checksum)
    modules = {each: importlib.import_module(f"{__name__}.{each}") for each in names()}
    known = [each for each, module in modules.items() if hasattr(module, "parts")]
    if name not in known:
        raise ValueError(
            f"no space {name!r} can be searched for accuracy; choose one of {', '.join(known)}, or a file"
        )
    module = modules[name]
    usual = getattr(module, "MOST_PARAMETERS", None)
    if most_parameters is not None and usual is None:
        raise ValueError(f"the space {name} has networks of one size only; omit the parameter limit")
    most = usual if most_parameters is None else most_parameters
    limit = () if most is None else (most,)
    network = getattr(module, "NETWORK", None)
    return Named(name, module.space(*limit), module.start(*limit), module.parts, network, most)


def _hyperparameters(point: Mapping[str, Value]) -> Parts:
    return {"hyperparameters": dict(point)}

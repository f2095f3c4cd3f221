"""What may vary in a study: variables, spaces of them, and points in those spaces.

Every module beside `space` that does not begin with an underscore is a named space; a new
file is a new name. A module whose points mean something to any training has `space()`, `start()`
and `parts(point)` (`_named.py`) and can be loaded by name; `scaling` has functions of its own, since
multipliers need a base network.
"""

import pkgutil

from search_spaces._choice import Choice
from search_spaces._integer import Integer
from search_spaces._named import PARTS, Named, Parts, named
from search_spaces._point import Point, Value
from search_spaces._real import Real
from search_spaces.space import Space, Variable

__all__ = [
    "PARTS",
    "Choice",
    "Integer",
    "Named",
    "Parts",
    "Point",
    "Real",
    "Space",
    "Value",
    "Variable",
    "load",
    "names",
]


def names() -> list[str]:
    """The named spaces, which are the modules of this folder."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in modules if name != "space" and not name.startswith("_"))


def load(name: str, most_parameters: int | None = None) -> Named:
    """The space of that name, for a search for accuracy.

    Args:
        name: a module here that has `parts`.
        most_parameters: the limit of a network's parameters, where the space has one; None: its usual one.

    Raises:
        ValueError: there is no such space, it has no limit, or no network is under the limit.
    """
    return named(__name__, names(), name, most_parameters)

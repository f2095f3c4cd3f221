"""What may vary in a study: variables, spaces of them, and points in those spaces.

Every module beside `space` that does not begin with an underscore is a named space; a new
file is a new name. Each has functions of its own, since a space of networks needs to know
its base network and a space of hyperparameters does not.
"""

import pkgutil

from search_spaces._choice import Choice
from search_spaces._integer import Integer
from search_spaces._point import Point, Value
from search_spaces._real import Real
from search_spaces.space import Space, Variable

__all__ = ["Choice", "Integer", "Point", "Real", "Space", "Value", "Variable", "names"]


def names() -> list[str]:
    """The named spaces, which are the modules of this folder."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in modules if name != "space" and not name.startswith("_"))

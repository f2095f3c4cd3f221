"""A space of the user's own, in a file: variables in TOML, or a function in Python."""

import contextlib
import hashlib
import runpy
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from search_spaces._point import Point, Value
from search_spaces._variables import Choice
from search_spaces.space import Space


class OwnSpace(NamedTuple):
    """A space in a file. checksum: of a Python file; None of TOML, which says all of it"""

    name: str
    space: Space
    start: Point
    checksum: str | None


def read(text: str) -> OwnSpace:
    """The space in a file.

    text: `path/to/file.toml`, or `path/to/file.py:function` of a function without arguments. It returns a
        Space, or a Space and a mapping with its start.
    Raises ValueError for a file that cannot be read, or that has no space.
    """
    path, _, function = text.partition(".py:")
    file = Path(f"{path}.py" if function else text).expanduser()
    try:
        content = file.read_bytes()
        found = _call(file, function) if function else _read_toml(content.decode())
        space, start = found if isinstance(found, tuple) and len(found) == 2 else (found, {})
        if not (isinstance(space, Space) and isinstance(start, Mapping)):
            raise ValueError(f"it gives {found!r:.60}; give a search_spaces.Space, or that and a dict")
        point = space.point({**_middle(space), **start})
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}; correct the path") from error
    checksum = hashlib.sha256(content).hexdigest()[:16] if function else None
    return OwnSpace(file.stem, space, point, checksum)


def is_path(name: str) -> bool:
    """Whether a space's name is that of a file."""
    return name.endswith(".toml") or ".py:" in name


def _call(file: Path, function: str) -> Any:
    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is the command's own
            names = runpy.run_path(str(file))
            made = names[function]() if callable(names.get(function)) else None
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise ValueError(f"{function}() fails: {type(error).__name__}: {error}") from error
    if made is None:
        raise ValueError(f"the file has no function {function} that returns a space")
    return made


def _read_toml(text: str) -> tuple[Space, dict[str, Any]]:
    """The space of a table for each variable, and the values of `start` in them."""
    variables, start = [], {}
    for name, given in tomllib.loads(text).items():
        if not isinstance(given, dict):
            raise ValueError(f"{name} is {given!r}; write a table, [{name}], with low and high, or values")
        given = {**given}
        if "start" in given:
            start[name] = given.pop("start")
        variables.append({"kind": _kind(given), "name": name, **given})
    return Space.from_json(variables), start


def _kind(given: Mapping[str, Any]) -> str:
    """The kind of a variable that does not say it: integers where both bounds are whole."""
    if "values" in given:
        return "choice"
    bounds = (given.get("low"), given.get("high"))
    return "integer" if all(isinstance(bound, int) for bound in bounds) else "real"


def _middle(space: Space) -> dict[str, Value]:
    """The middle of each range as solvers see it, and the first of values that have no order."""
    middle = {}
    for variable in space.variables:
        between = (variable.lower + variable.upper) / 2
        if isinstance(variable, Choice) and not variable.ordered:
            between = variable.lower
        middle[variable.name] = variable.from_number(float(round(between)) if variable.integer else between)
    return middle

"""Installed distributions, those that hide ours, and pandas and NumPy, imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import importlib.metadata

    import numpy as numpy
    import pandas as pandas
else:

    class _Lazy:
        """A module whose import takes as long as all else that a command does which does not use it."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(self._name), name)

    numpy, pandas = _Lazy("numpy"), _Lazy("pandas")

DISTRIBUTION = "nomad-nas"
OURS = ("orchestrator", "trainer", "search_spaces", "results")


def clash() -> str | None:
    """Return a message about another distribution with a package named like ours, if one is installed.

    `trainer`, `results` and `orchestrator` exist on PyPI; if installed here, they silently overwrite ours.
    """
    import importlib.metadata

    held = [(one, _ours_in(one)) for one in importlib.metadata.distributions()]
    others = [(ours[0], one.name) for one, ours in held if ours and one.name != DISTRIBUTION]
    if not others:
        return None
    name, other = min(others, key=lambda found: (OURS.index(found[0]), found[1]))
    return (
        f"the installed distribution {other!r} also has a package named {name!r}; "
        f"use a clean environment: python3 -m venv, and only {DISTRIBUTION} in it"
    )


def _ours_in(distribution: importlib.metadata.Distribution) -> list[str]:
    """Return our package names that a distribution has, as `importlib.metadata.packages_distributions` does.

    That function parses the list of every installed file, and from Python 3.12 on checks each file: a fifth
    of a second for each command.
    """
    top = distribution.read_text("top_level.txt")
    if top:
        return [name for name in OURS if name in top.split()]
    recorded = "\n" + (distribution.read_text("RECORD") or "")
    return [name for name in OURS if f"\n{name}/" in recorded or f"\n{name}.py," in recorded]


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the versions of those `distributions` that are installed."""
    found = {name: _version(name) for name in distributions}
    return {name: version for name, version in found.items() if version is not None}


@cache
def _version(name: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

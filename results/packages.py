"""Which distributions are installed, and which of them would run in place of ours."""

import importlib.metadata
from collections.abc import Iterable
from functools import cache

DISTRIBUTION = "nomad-nas"
OURS = ("orchestrator", "trainer", "search_spaces", "results")


def clash() -> str | None:
    """Say which other installed distribution has a package of the same name as ours, if one does.

    `trainer`, `results` and `orchestrator` exist on PyPI; installed here, they overwrite ours silently.
    """
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
    """Our names that a distribution has at its top: what `importlib.metadata.packages_distributions` finds.

    That takes the record of every installed file apart, and from Python 3.12 on looks for each file as well:
    a fifth of a second for each command.
    """
    top = distribution.read_text("top_level.txt")
    if top:
        return [name for name in OURS if name in top.split()]
    recorded = "\n" + (distribution.read_text("RECORD") or "")
    return [name for name in OURS if f"\n{name}/" in recorded or f"\n{name}.py," in recorded]


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of `distributions`, those that are not installed left out."""
    found = {name: _version(name) for name in distributions}
    return {name: version for name, version in found.items() if version is not None}


@cache
def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

"""Which distributions are installed, and which of them would run in place of ours."""

import importlib.metadata
from collections.abc import Iterable

DISTRIBUTION = "nomad-nas"
OURS = ("orchestrator", "trainer", "search_spaces", "results")


def clash() -> str | None:
    """Say which other installed distribution has a package of the same name as ours, if one does.

    `trainer`, `results` and `orchestrator` exist on PyPI; installed here, they overwrite ours silently.
    """
    owners = importlib.metadata.packages_distributions()
    for name in OURS:
        others = sorted(set(owners.get(name, ())) - {DISTRIBUTION})
        if others:
            return (
                f"the installed distribution {others[0]!r} also has a package named {name!r}; "
                f"use a clean environment: python3 -m venv, and only {DISTRIBUTION} in it"
            )
    return None


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of `distributions`, those that are not installed left out."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found

"""What surrounds a study: the versions it runs with, and packages that would run in its place."""

from __future__ import annotations

import importlib.metadata
import subprocess
from collections.abc import Iterable
from pathlib import Path

DISTRIBUTION = "nomad-nas"
OURS = ("orchestrator", "trainer", "search_spaces", "results")


class Clash(RuntimeError):
    """Another distribution owns one of our import names."""


def refuse_clashes() -> None:
    """Raise Clash where another installed distribution has a package of the same name as ours.

    `trainer`, `results` and `orchestrator` exist on PyPI; installed here, they overwrite ours silently.
    """
    owners = importlib.metadata.packages_distributions()
    for name in OURS:
        others = sorted(set(owners.get(name, ())) - {DISTRIBUTION})
        if others:
            raise Clash(
                f"the installed distribution {others[0]!r} also has a package named {name!r}; "
                f"use a clean environment: python3 -m venv, and only {DISTRIBUTION} in it"
            )


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of `distributions`, those that are not installed left out."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Return the commit of the checkout this package runs from, None where it runs from a wheel."""
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None  # no git on this machine: the commit is not known
    return answer.stdout.strip()

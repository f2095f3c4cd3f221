"""The versions with which a study runs, and packages that hide ours."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from results import packages
from results.packages import versions

__all__ = ["Clash", "git_commit", "refuse_clashes", "versions"]


class Clash(RuntimeError):
    """Another distribution owns one of our import names."""


def refuse_clashes() -> None:
    """Raise Clash if another installed distribution has a package with the same name as ours."""
    clash = packages.clash()
    if clash is not None:
        raise Clash(clash)


@cache
def git_commit() -> str | None:
    """Return the commit of the checkout this package runs from; None if it runs from a wheel.

    It is determined once per process, because imported code stays as it was at the start.
    """
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None  # no git on this machine: the commit is not known
    return answer.stdout.strip()

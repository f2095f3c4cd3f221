"""What surrounds a study: the versions it runs with, and packages that would run in its place."""

from __future__ import annotations

import errno
import subprocess
from functools import cache
from pathlib import Path

from results import packages
from results.packages import versions

__all__ = ["Clash", "advice", "git_commit", "refuse_clashes", "versions"]


class Clash(RuntimeError):
    """Another distribution owns one of our import names."""


def refuse_clashes() -> None:
    """Raise Clash where another installed distribution has a package of the same name as ours."""
    clash = packages.clash()
    if clash is not None:
        raise Clash(clash)


_ADVICE = {
    errno.EAGAIN: "raise the limit of processes and threads (ulimit -u, or the container's)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


def advice(error: OSError) -> str | None:
    """Say what a user may do where this machine gives no more processes or files; None of other errors."""
    return _ADVICE.get(error.errno or 0)


@cache
def git_commit() -> str | None:
    """Return the commit of the checkout this package runs from, None where it runs from a wheel.

    Asked once a process: what is imported stays as it was at the start.
    """
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None  # no git on this machine: the commit is not known
    return answer.stdout.strip()

"""Where and when a benchmark was run: without this its numbers say nothing."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.spec import provenance


def setting(distributions: tuple[str, ...]) -> dict[str, Any]:
    """The command, commit, date, machine, load (its averages of 1, 5 and 15 minutes) and versions."""
    return {
        "command": shlex.join(["python", *sys.argv]),
        "git_commit": provenance.git_commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": list(os.getloadavg()),
        "versions": {"python": platform.python_version(), **provenance.versions(distributions)},
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())

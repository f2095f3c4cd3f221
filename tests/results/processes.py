"""Run a piece of Python in a process of its own, with this repository importable."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def python(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The running process, with pipes for its three streams; killed, if it is still there, at the end."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def outcome_of(code: str, *arguments: str) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of the code, run to its end."""
    with python(code, *arguments) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err

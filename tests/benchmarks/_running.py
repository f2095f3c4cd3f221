"""A benchmark as a user runs it: a program, what it printed and what it wrote."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAKE_TRAINER = f"{sys.executable} {ROOT / 'tests' / 'fake_trainer.py'}"


def ran(name: str, *arguments: str) -> tuple[int, str]:
    """Exit code, and stdout with stderr."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.returncode, done.stdout

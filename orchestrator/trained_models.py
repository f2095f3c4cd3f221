"""What is done with a trained network: the trainer's commands on the folder of its weights.

The trainer is a program, so these commands are processes of it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.spec.options import OWN_TRAINER
from results.model_facts import describe_model


def make_command(name: str, folder: Path, options: Sequence[str], images: Sequence[str] = ()) -> list[str]:
    """Return the command line of the trainer's `predict` or `export`. No file is taken for an option."""
    return [*OWN_TRAINER, "--program", f"nas-{name}", name, *options, "--", str(folder), *images]


@contextmanager
def write_facts(database: str, model: str) -> Iterator[list[str]]:
    """Yield the options that give the trainer's model card what the results database knows of a model."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(describe_model(database, model), file)
        file.flush()
        yield ["--facts", file.name]


def run_to_end(command: Sequence[str]) -> int:
    """Run a command with this process's input and output; return its exit code, as a shell tells it.

    Ctrl-C reaches the command by itself, since it is in the terminal's group; SIGTERM is passed on.
    """
    with subprocess.Popen(command) as process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        code = process.wait()
    return code if code >= 0 else 128 - code

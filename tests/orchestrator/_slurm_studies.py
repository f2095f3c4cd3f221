"""A search whose trainer keeps a list of what it trains, so that nothing trained twice goes unseen."""

import shlex
import sys
from collections import Counter
from pathlib import Path

from tests.orchestrator._processes import FAKE_TRAINER, eventually
from tests.orchestrator._studies import command

TRAINER = f"""
import os, runpy, sys
if sys.argv[1] == "train":
    with open(os.path.join(os.path.dirname(__file__), "trained"), "a") as trained:
        trained.write(sys.argv[-1] + "\\n")
runpy.run_path({str(FAKE_TRAINER)!r}, run_name="__main__")
"""
ARGUMENTS = (
    *("--base", "senet18"),
    *("--study", "s"),
    *("--data", "fake:sleep=3,crash=0.1"),
    *("--budget", "10steps"),
    *("--slots", "4"),
    *("--tolerance", "0.01"),
    *("--early-stop", "0"),
    *("--confirm", "0"),
    *("--solver", "random"),
    *("--trials", "24"),
)


def asked_of(folder: Path, executor: str) -> list[str]:
    """The command of a study whose trainer keeps a list of what it trains."""
    folder.mkdir()
    (folder / "trainer.py").write_text(TRAINER)
    trainer = shlex.join([sys.executable, str(folder / "trainer.py")])
    return command(folder, *ARGUMENTS, "--executor", executor, "--trainer", trainer)


def await_another(folder: Path) -> None:
    """Wait until one more trial is begun."""
    before = sum(trained(folder).values())
    assert eventually(lambda: sum(trained(folder).values()) > before, 60)


def trained(folder: Path) -> Counter[str]:
    """How often each trial was trained."""
    path = folder / "trained"
    return Counter(path.read_text().split("\n")[:-1] if path.exists() else [])

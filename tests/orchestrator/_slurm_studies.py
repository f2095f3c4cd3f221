"""A search whose trainer keeps a list of what it trains, so that nothing trained twice goes unseen."""

import shlex
import subprocess
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


def kill_while_weights_are_written(folder: Path, *where: str) -> list[str]:
    """Kill a study whose trial has its result and no weights yet, go on with it, and return what is typed.

    Its folder has a trainer that keeps a list of what it trains.
    """
    (folder / "trainer.py").write_text(TRAINER)
    trainer = shlex.join([sys.executable, str(folder / "trainer.py")])
    asked = ("--model", "senet18", "--study", "s", "--data", "fake:weights=late", "--budget", "10steps")
    typed = command(folder, *asked, *where, "--trainer", trainer, program="nas_train")
    metrics = folder / "s" / "00001" / "metrics.jsonl"
    with subprocess.Popen(typed, stdout=subprocess.DEVNULL) as study:
        assert eventually(lambda: metrics.exists() and '"final"' in metrics.read_text(), 120)
        study.kill()
    subprocess.run(typed, check=True, stdout=subprocess.DEVNULL, timeout=200)
    return typed


def await_another(folder: Path) -> None:
    """Wait until one more trial is begun."""
    before = sum(trained(folder).values())
    assert eventually(lambda: sum(trained(folder).values()) > before, 60)


def trained(folder: Path) -> Counter[str]:
    """How often each trial was trained."""
    path = folder / "trained"
    return Counter(path.read_text().split("\n")[:-1] if path.exists() else [])

"""A host of the trainer for all tests of it: a fork trains as a fresh process does (test_host.py) in a tenth
of the time, for torch is imported.
"""

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.trainer._hosting import TRAINER, Host, ask, hosting
from trainer import data
from trainer.data import digits

Forked = Callable[..., tuple[int, list[dict[str, Any]], str]]

_drawn = cache(digits.load)


@pytest.fixture
def digits_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of the digits for trainings in this process: drawing 5,000 images takes longer than they do."""

    def load(source: data.Source, test: bool) -> data.Images:
        return copy.deepcopy(_drawn(source, test))

    monkeypatch.setattr(digits, "load", load)


@pytest.fixture(scope="session")
def trainers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The trainer's own host: its imports take seconds. Its trials tell what they import."""
    command = [TRAINER[0], "-X", "importtime", *TRAINER[1:]]
    with hosting(command, tmp_path_factory.mktemp("host") / "err") as host:
        yield host


@pytest.fixture
def forked(trainers: Host, tmp_path: Path) -> Forked:
    """Run the program in a fork: exit code, the lines of stdout decoded, stderr (with the imports)."""

    def run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        trial = ask(trainers, tmp_path / "forked", *arguments)
        _, code, how, *_ = trial.ending()
        assert how == "exited"
        lines = [json.loads(line) for line in trial.out.read_text().splitlines()]
        return int(code), lines, trial.err.read_text()

    return run

"""A trial's folder: the files that its process is given and writes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator import team

_CHECKPOINT = "checkpoint.pt"
_FILES = ("trial.json", "metrics.jsonl", "log.txt", team.LINES, team.SHARE)


def clear(folder: Path, keep_checkpoint: bool) -> None:
    """Make the folder, or remove what an earlier attempt left in it."""
    if not folder.exists():
        folder.mkdir(parents=True)
        return
    for name in _FILES:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder / name)
    if not keep_checkpoint:
        forget_checkpoint(folder)


def checkpoint_words(folder: Path) -> tuple[str, str]:
    """Return what makes our own trainer keep a checkpoint: a trial left by a kill goes on from it."""
    return "--checkpoint", str(folder / _CHECKPOINT)


def forget_checkpoint(folder: Path) -> None:
    """Remove the checkpoint, and what a kill left of one being written: nobody is to go on with it."""
    for name in (_CHECKPOINT, f"{_CHECKPOINT}.new"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder / name)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    (folder / "trial.json").write_text(json.dumps(config, indent=1) + "\n")


def holds(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the files in `folder` are of this very configuration."""
    try:
        return bool(json.loads((folder / "trial.json").read_text()) == config)
    except (OSError, ValueError):
        return False

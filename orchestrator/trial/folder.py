"""A trial's folder: the files that its process is given and writes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CHECKPOINT = "checkpoint.pt"
_JOB = "job.json"  # kept by an executor whose jobs outlive their orchestrator, while one is to be heard of
_SHARED = "stack.json"  # in version 0.1, of a trial that was trained in one process with others
_FILES = ("trial.json", "metrics.jsonl", "log.txt", _JOB, _SHARED)


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


def goes_on(folder: Path, config: Mapping[str, Any], executor: str) -> bool:
    """Whether the executor has a job there of an earlier orchestrator's, which it will follow."""
    return holds(folder, config) and _has_job(folder, executor)


def prepare(folder: Path, config: Mapping[str, Any], was_running: bool, executor: str) -> None:
    """Leave of an earlier attempt only what this one goes on with: a checkpoint, or a job that runs."""
    if not was_running or not goes_on(folder, config, executor):
        clear(folder, was_running and holds(folder, config))


def forget_job(folder: Path) -> None:
    """Let nobody hear of a job there any more: one that runs on ends itself."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(folder / _JOB)


def put_aside(folder: Path, attempt: int) -> None:
    """Keep what a lost attempt wrote, in a folder of its own, for whoever wants to know why it was lost."""
    aside = folder / f"attempt-{attempt}"
    aside.mkdir(exist_ok=True)
    for name in ("metrics.jsonl", "log.txt"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder / name, aside / name)


def checkpoint_words(folder: Path) -> tuple[str, str]:
    """Return what makes our own trainer keep a checkpoint: a trial left by a kill goes on from it."""
    return "--checkpoint", str(folder / _CHECKPOINT)


def forget_checkpoint(folder: Path) -> None:
    """Remove the checkpoint, and what a kill left of one being written: nobody is to go on with it."""
    for name in (_CHECKPOINT, f"{_CHECKPOINT}.new"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder / name)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    if not holds(folder, config):  # or a job that is about to read it would find it half written
        (folder / "trial.json").write_text(json.dumps(config, indent=1) + "\n")


def holds(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the files in `folder` are of this very configuration."""
    try:
        return bool(json.loads((folder / "trial.json").read_text()) == config)
    except (OSError, ValueError, RecursionError):
        return False


def _has_job(folder: Path, executor: str) -> bool:
    """Whether an earlier orchestrator gave the executor a job of this trial alone."""
    try:
        order = json.loads((folder / _JOB).read_text())
    except (OSError, ValueError, RecursionError):
        return False
    is_its = isinstance(order, dict) and order.get("executor") == executor
    return is_its and not (folder / _SHARED).exists()

"""A trial's folder: the files that its process reads and writes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CHECKPOINT = "checkpoint.pt"
_JOB = "job.json"  # written by an executor whose jobs outlive the orchestrator, while one is pending
_SHARED = "stack.json"  # in version 0.1, of a trial that was trained together with others in one process
_FILES = ("trial.json", "metrics.jsonl", "log.txt", _JOB, _SHARED)


def clear(folder: Path, keep_checkpoint: bool) -> None:
    """Create the folder, or remove what an earlier attempt left in it."""
    if not folder.exists():
        folder.mkdir(parents=True)
        return
    for name in _FILES:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder / name)
    if not keep_checkpoint:
        forget_checkpoint(folder)


def goes_on(folder: Path, config: Mapping[str, Any], executor: str) -> bool:
    """Whether the executor has a job of an earlier orchestrator there, which it will follow."""
    return holds(folder, config) and _has_job(folder, executor)


def prepare(folder: Path, config: Mapping[str, Any], was_running: bool, executor: str) -> None:
    """Keep of an earlier attempt only what this one continues: a checkpoint, or a running job."""
    if not was_running or not goes_on(folder, config, executor):
        clear(folder, was_running and holds(folder, config))


def forget_job(folder: Path) -> None:
    """Forget a job there. If it still runs, it ends itself."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(folder / _JOB)


def put_aside(folder: Path, attempt: int) -> None:
    """Move what a lost attempt wrote to a folder of its own, so that its cause can be looked up."""
    aside = folder / f"attempt-{attempt}"
    aside.mkdir(exist_ok=True)
    for name in ("metrics.jsonl", "log.txt"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder / name, aside / name)


def checkpoint_words(folder: Path) -> tuple[str, str]:
    """Return the arguments that make our trainer keep a checkpoint, from which a killed trial resumes."""
    return "--checkpoint", str(folder / _CHECKPOINT)


def forget_checkpoint(folder: Path) -> None:
    """Remove the checkpoint, and a partly written one, so that no attempt resumes from it."""
    for name in (_CHECKPOINT, f"{_CHECKPOINT}.new"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder / name)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    if not holds(folder, config):  # otherwise a job that is about to read it could find it half written
        (folder / "trial.json").write_text(json.dumps(config, indent=1) + "\n")


def holds(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the files in `folder` belong to exactly this configuration."""
    try:
        return bool(json.loads((folder / "trial.json").read_text()) == config)
    except (OSError, ValueError, RecursionError):
        return False


def _has_job(folder: Path, executor: str) -> bool:
    """Whether an earlier orchestrator gave the executor a job with only this trial."""
    try:
        order = json.loads((folder / _JOB).read_text())
    except (OSError, ValueError, RecursionError):
        return False
    is_its = isinstance(order, dict) and order.get("executor") == executor
    return is_its and not (folder / _SHARED).exists()

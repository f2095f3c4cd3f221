"""Run one command of the trainer outside of a study, for a plan or a check."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.executors import Executor, Exit, Job
from orchestrator.spec.options import RunOptions
from orchestrator.trial.folder import TrialFolder


def run_command(
    name: str,
    request: RunOptions,
    config: Mapping[str, Any],
    executor: Executor,
    path: Path,
    seconds: float,
    stop: threading.Event | None = None,
) -> tuple[Exit, TrialFolder]:
    """Run the trainer's command `name` for one configuration, for at most so many seconds.

    path: the folder of its files
    """
    folder = TrialFolder(path)
    folder.write_config(config)
    job = Job(
        command=(*request.trainer_command, name, "--config", str(folder.config)),
        folder=folder.path,
        stdout=folder.metrics,
        stderr=folder.log,
        timeout_seconds=seconds,
        memory_bytes=request.limits.memory_bytes,
    )
    return executor.run(job, stop or threading.Event()), folder

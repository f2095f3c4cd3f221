"""The folders of a study and of its trials, and the files in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from orchestrator.executors._process.files import JOB_FILE
from results import file_names


def study_folder(runs: Path, name: str) -> Path:
    """Return the folder of a study's trials, with every link but its own followed."""
    return runs.resolve() / name


def trial_folder(study: Path, number: int) -> Path:
    """Return the folder of a trial in that of its study."""
    return study / f"{number:05d}"


def put_trials_aside(study: Path, numbers: Iterable[int]) -> Path | None:
    """Move the folders of these trials into one of their own, `earlier-1` or the next that is free.

    So a study that is asked anew finds none, and why they failed can still be looked up. Return the new
    folder; None if there was nothing to move.
    """
    found = [path for number in numbers if (path := trial_folder(study, number)).is_dir()]
    if not found:
        return None
    aside = next(path for n in count(1) if not (path := study / f"earlier-{n}").exists())
    aside.mkdir()
    for path in found:
        path.rename(aside / path.name)
    return aside


# keys of trial.json that change nothing of the training, so they are not recorded with it
KEEP_WEIGHTS, PROVENANCE = "keep_weights", "provenance"
_WEIGHTS = (file_names.MODEL, file_names.WEIGHTS, file_names.NETWORK_CODE)  # the description goes first


class TrialFolder:
    """The files that a trial's process reads and writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / file_names.CONFIG
        self.metrics = path / file_names.METRICS
        self.log = path / file_names.LOG
        self.checkpoint = path / file_names.CHECKPOINT  # from which our trainer resumes a killed training
        self._job = path / JOB_FILE
        self._shared = path / "stack.json"  # in version 0.1, of several trials trained in one process

    def prepare(self, config: Mapping[str, Any], was_running: bool, executor: str) -> None:
        """Keep of an earlier attempt only what this one continues: a checkpoint, or a running job."""
        if was_running and self.has_job(config, executor):
            return
        keeps_checkpoint = was_running and self.has_config(config)
        self.path.mkdir(parents=True, exist_ok=True)
        for path in (self.config, self.metrics, self.log, self._job, self._shared):
            path.unlink(missing_ok=True)
        self.remove_weights()
        if not keeps_checkpoint:
            self.remove_checkpoint()

    def write_config(self, config: Mapping[str, Any], provenance: Mapping[str, Any] | None = None) -> None:
        """Write trial.json. provenance: of the network whose weights are kept; None: none are."""
        if self.has_config(config):  # a job that is about to read it could find it half written
            return
        kept = {} if provenance is None else {KEEP_WEIGHTS: True, PROVENANCE: dict(provenance)}
        self.config.write_text(json.dumps({**config, **kept}, indent=1) + "\n")

    def has_config(self, config: Mapping[str, Any]) -> bool:
        """Whether the files belong to exactly this configuration, whether or not weights are kept."""
        return bool(self._read_config() == config)

    @property
    def keeps_weights(self) -> bool:
        """Whether trial.json asks for the weights."""
        found = _read_json(self.config)
        return isinstance(found, dict) and found.get(KEEP_WEIGHTS) is True

    @property
    def weights_bytes(self) -> int | None:
        """The size of the network's files; None without both weights and description, which is last."""
        sizes = {name: _size(self.path / name) for name in _WEIGHTS}
        if sizes[file_names.MODEL] is None or sizes[file_names.WEIGHTS] is None:
            return None
        return sum(size or 0 for size in sizes.values())

    def remove_weights(self) -> None:
        """Remove the network's files, and those that were being written or fetched."""
        for path in self._weights_files():
            path.unlink(missing_ok=True)

    def has_job(self, config: Mapping[str, Any], executor: str) -> bool:
        """Whether the executor has a job of an earlier orchestrator for only this trial, to be followed."""
        job = _read_json(self._job)
        is_its = isinstance(job, dict) and job.get("executor") == executor
        return is_its and self.has_config(config) and not self._shared.exists()

    def remove_job(self) -> None:
        """Forget a job there. If it still runs, it ends itself."""
        self._job.unlink(missing_ok=True)

    def remove_checkpoint(self) -> None:
        """Remove the checkpoint, and a partly written one, so that no attempt resumes from it."""
        for path in (self.checkpoint, self.checkpoint.with_name(f"{file_names.CHECKPOINT}.new")):
            path.unlink(missing_ok=True)

    def put_aside(self, attempt: int) -> None:
        """Move what a lost attempt wrote to a folder of its own, so that its cause can be looked up."""
        aside = self.path / f"attempt-{attempt}"
        aside.mkdir(exist_ok=True)
        for path in (self.metrics, self.log):
            if path.exists():
                os.replace(path, aside / path.name)
        self.remove_weights()

    def _read_config(self) -> Any:
        """Return what trial.json says of the training itself."""
        found = _read_json(self.config)
        if not isinstance(found, dict):
            return found
        return {key: value for key, value in found.items() if key not in (KEEP_WEIGHTS, PROVENANCE)}

    def _weights_files(self) -> Iterator[Path]:
        for name in _WEIGHTS:
            yield self.path / name
            yield from self.path.glob(f"{name}.*")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _read_json(path: Path) -> Any:
    """Return what a file holds; None if it is missing, or torn by a power cut."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None

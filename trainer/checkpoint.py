"""What an interrupted training needs to go on, written beside the training.

A checkpoint is cloned on the device between two steps and written by a thread: to a new file,
flushed to the disk, renamed over the old one. So there is always a whole one, and the training
waits for the clone alone. It is read as tensors and plain values, never as code.
"""

import hashlib
import json
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from trainer.config import TrialConfig
from trainer.errors import InvalidConfig

_FORMAT = 1

logger = logging.getLogger(__name__)


class Checkpoint:
    """The file of one training's checkpoints. `seconds`: from one to the next, at least."""

    def __init__(self, path: Path, config: TrialConfig, seconds: float) -> None:
        self._path, self._seconds = path, seconds
        self._config = fingerprint(config)
        self._last = time.monotonic()
        self._writer: threading.Thread | None = None

    def read(self) -> dict[str, Any] | None:
        """What was written last; None where nothing was, or nothing that can be read, which is logged.

        Raises Refused for another training's.
        """
        if not self._path.exists():
            return None
        try:
            held: dict[str, Any] = torch.load(self._path, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
            logger.warning("cannot read the checkpoint %s: %s; training from the start", self._path, error)
            return None
        if (held.get("format"), held.get("config")) != (_FORMAT, self._config):
            raise InvalidConfig(
                f"the checkpoint {self._path} is another training's; delete it or give another file"
            )
        return held

    def write_if_due(self, state: Callable[[], dict[str, Any]]) -> None:
        """Begin to write `state()`, unless the last one is young or still being written."""
        writing = self._writer is not None and self._writer.is_alive()
        if writing or time.monotonic() < self._last + self._seconds:
            return
        self._last = time.monotonic()
        held = {"format": _FORMAT, "config": self._config, **state()}
        self._writer = threading.Thread(target=self._write, args=(held,), daemon=True)
        self._writer.start()

    def remove(self) -> None:
        """The training has ended: nothing is left to go on with."""
        if self._writer is not None:
            self._writer.join()
        for path in (self._path, self._new):  # the latter from a kill while it was written
            path.unlink(missing_ok=True)

    @property
    def _new(self) -> Path:
        return self._path.with_name(f"{self._path.name}.new")

    def _write(self, held: dict[str, Any]) -> None:
        new = self._new
        try:
            with new.open("wb") as file:
                torch.save(held, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self._path)
        except (OSError, RuntimeError) as error:  # the latter is how torch says that a disk is full
            logger.warning("cannot write the checkpoint %s: %s; training on", self._path, error)
            with suppress(OSError):
                new.unlink()


def fingerprint(config: TrialConfig) -> str:
    """Of all that makes two trainings different."""
    held = asdict(config)
    if config.dataset.fit in (None, "squash"):  # as all were made squares before there was a choice
        del held["dataset"]["fit"]
    return hashlib.sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()

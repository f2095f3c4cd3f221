"""The checkpoint from which an interrupted training goes on.

The state is cloned on the device between two steps. A thread copies it to the host, on a stream of its own,
writes it to a new file, flushes it to the disk, and renames it over the old one. So there is always a
complete file, and training waits only for the clone. Checkpoints are read as tensors and plain values, never
as code.
"""

import hashlib
import json
import logging
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from trainer._files import new_path, replace_file
from trainer.config import Subset, TrialConfig, Versions
from trainer.errors import InvalidConfig

_FORMAT = 1

logger = logging.getLogger(__name__)


class Checkpoint:
    """The checkpoint file of one training. `seconds`: at least from one write to the next."""

    def __init__(self, path: Path, config: TrialConfig, seconds: float) -> None:
        self._path, self._seconds = path, seconds
        self._config = fingerprint(config)
        self._last = time.monotonic()
        self._writer: threading.Thread | None = None

    def read(self) -> dict[str, Any] | None:
        """The last checkpoint; None where there is none, or none that can be read, which is logged.

        Raises InvalidConfig for another training's.
        """
        if not self._path.exists():
            return None
        try:
            saved: dict[str, Any] = torch.load(self._path, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
            logger.warning("cannot read the checkpoint %s: %s; training from the start", self._path, error)
            return None
        if (saved.get("format"), saved.get("config")) != (_FORMAT, self._config):
            raise InvalidConfig(f"{self._path} is another training's; delete it or give another file")
        return saved

    def write_if_due(self, state: Callable[[], dict[str, Any]]) -> None:
        """Start to write `state()`, unless the last one is recent or still being written."""
        writing = self._writer is not None and self._writer.is_alive()
        if writing or time.monotonic() < self._last + self._seconds:
            return
        self._last = time.monotonic()
        saved = {"format": _FORMAT, "config": self._config, **state()}
        self._writer = threading.Thread(target=self._write, args=(saved, _follow_clones()), daemon=True)
        self._writer.start()

    def remove(self) -> None:
        """Delete the files after the training has ended, including one that a kill left unfinished."""
        if self._writer is not None:
            self._writer.join()
        for path in (self._path, new_path(self._path)):
            path.unlink(missing_ok=True)

    def _write(self, saved: dict[str, Any], stream: torch.cuda.Stream | None) -> None:
        try:
            with torch.cuda.stream(stream), replace_file(self._path) as file:
                torch.save(saved, file)
        except (OSError, RuntimeError) as error:  # torch raises the latter when a disk is full
            logger.warning("cannot write the checkpoint %s: %s; training on", self._path, error)


def _follow_clones() -> torch.cuda.Stream | None:
    """A stream of a GPU that waits for what has been launched so far; None without one.

    On the default stream, copies would queue behind the steps that are launched meanwhile.
    """
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call, unused-ignore]
        return None
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]
    stream.wait_stream(torch.cuda.current_stream())
    return stream


def fingerprint(config: TrialConfig) -> str:
    """A hash of all that the training depends on."""
    fields = asdict(config)
    del fields["keep_weights"], fields["provenance"]
    if config.init is None:  # as in older versions
        del fields["init"]
    else:
        del fields["init"]["folder"]  # the files may have moved
    if config.dataset.fit in (None, "squash"):  # older versions always squashed and had no such field
        del fields["dataset"]["fit"]
    del fields["dataset"]["rules"]  # those of `versions`
    if config.versions == Versions():  # which older versions did not have, as the following
        del fields["versions"]
    for name in ("draw", "folds", "fold", "curve"):
        if fields["subset"][name] == getattr(Subset, name):
            del fields["subset"][name]
    return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()

"""A trial to be trained, and one that runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from orchestrator.trainer_client import NetworkInfo, network_key
from orchestrator.trial import metrics as metrics_log
from orchestrator.trial.folder import TrialFolder
from results.db.tables import Trial


@dataclass(frozen=True)
class TrialRequest:
    """A trial to be trained. `StudyContext.request` makes it."""

    number: int
    purpose: str
    point: dict[str, Any]
    replicate: int
    config: dict[str, Any]
    description: NetworkInfo
    row: Trial | None = None  # if an earlier run left it unfinished
    of_trial_number: int | None = None  # the trial that this one repeats
    belief: Mapping[str, Any] | None = None  # of the solver that asked for it
    losses: int = 0  # how often it was killed from outside in this run of the study

    @property
    def is_of_the_start(self) -> bool:
        """Whether it trains the network that the search starts from, before any other."""
        return self.purpose == "baseline" or (self.purpose == "search" and self.number == 1)

    @cached_property
    def key(self) -> str:
        return network_key(self.description, self.config)

    def columns(self) -> dict[str, Any]:
        """Return the columns of its row, but for those that the database takes from its configuration."""
        return self.description.columns() | {
            "purpose": self.purpose,
            "point": self.point,
            "replicate": self.replicate,
            "of_trial_number": self.of_trial_number,
            "config": self.config,
            "network_key": self.key,
            "belief": None if self.belief is None else dict(self.belief),
        }


@dataclass
class RunningTrial:
    """A running trial. It waits for a worker until the executor's thread calls `start`."""

    request: TrialRequest
    row: Trial
    folder: TrialFolder
    stop: threading.Event = field(default_factory=threading.Event)  # of this trial alone
    slot: str | None = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)
    _seen_bytes: int = field(default=0, init=False)  # of its metrics, when they were last read

    def start(self, slot: str) -> None:
        self._started, self.slot = time.monotonic(), slot  # `seconds` is read by another thread

    @property
    def seconds(self) -> float:
        """Seconds since the process started; 0 while the trial waits for a worker."""
        return time.monotonic() - self._started if self.slot else 0.0

    @property
    def latest_epoch(self) -> dict[str, Any]:
        """Return the trainer's last `epoch` event; empty if there is none yet."""
        return metrics_log.latest_epoch(self.folder.metrics) or {}

    def has_news(self) -> bool:
        """Whether its metrics have grown since the last call."""
        try:
            size = self.folder.metrics.stat().st_size
        except FileNotFoundError:
            return False
        grown, self._seen_bytes = size > self._seen_bytes, size
        return grown

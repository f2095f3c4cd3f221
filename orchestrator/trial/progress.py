"""A running trial, and the interface of progress displays."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from orchestrator.trial import metrics as metrics_log
from orchestrator.trial.request import TrialRequest
from results.db.tables import Trial


@dataclass
class RunningTrial:
    """A running trial. It waits for a worker until `has_started` is called, by the executor's thread."""

    order: TrialRequest
    row: Trial
    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)  # of this trial alone
    slot: str | None = None
    started: float = field(default_factory=time.monotonic)
    seen_bytes: int = 0  # of its metrics, when they were last read

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def latest_epoch(self) -> dict[str, Any] | None:
        """Return the trainer's last `epoch` event."""
        return metrics_log.latest_epoch(self.metrics)

    def has_news(self) -> bool:
        """Whether its metrics have grown since the last call."""
        try:
            size = self.metrics.stat().st_size
        except FileNotFoundError:
            return False
        grown, self.seen_bytes = size > self.seen_bytes, size
        return grown

    def has_started(self, slot: str) -> None:
        self.slot, self.started = slot, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the process started; 0 while the trial waits for a worker."""
        return time.monotonic() - self.started if self.slot else 0.0


class ProgressDisplay(Protocol):
    """Shows the events of a study to a person. It changes nothing."""

    def note(self, text: str) -> None: ...
    def started(self, trial: RunningTrial) -> None: ...
    def ended(self, row: Trial) -> None: ...
    def answered(self, row: Trial) -> None: ...
    def best(self, row: Trial) -> None: ...
    def tick(self, running: Sequence[RunningTrial]) -> None: ...
    def slept(self, seconds: float) -> None:
        """This process was suspended for so long; that time does not count in forecasts."""

    def close(self) -> None: ...

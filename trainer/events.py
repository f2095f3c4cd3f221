"""The budget's clock of one training, and the events it reports."""

import time
from typing import Any

from trainer.budget import Pace
from trainer.engine import Eager, Graphed
from trainer.evaluate import Score
from trainer.report import Report
from trainer.train_state import TrainState


class Events:
    """elapsed_before: seconds of the budget that were spent before an interruption."""

    def __init__(self, report: Report, clock_began: float, elapsed_before: float = 0.0) -> None:
        self._report = report
        self._zero = clock_began - elapsed_before
        self.epochs: list[dict[str, Any]] = []  # what was reported, for a training that goes on later

    def elapsed(self) -> float:
        """Seconds of the budget spent so far."""
        return time.monotonic() - self._zero

    def again(self, epochs: list[dict[str, Any]]) -> None:
        """Report what was reported before the interruption, for its lines are gone."""
        for fields in epochs:
            self._epoch(fields)

    def plan(self, pace: Pace, reason: str) -> None:
        """Steps were planned."""
        self._report.event(
            "plan",
            total_steps=pace.total_steps,
            step=pace.step,
            step_seconds=pace.costs.step,
            reserve_seconds=pace.reserve_seconds,
            elapsed_seconds=self.elapsed(),
            reason=reason,
        )

    def engine(self, engine: Eager | Graphed) -> None:
        """How steps are run, and why not as a graph."""
        self._report.event("engine", name=engine.name, reason=engine.reason)

    def epoch(
        self, member: int, trainee: TrainState, pace: Pace, epoch: int, loss: float, score: Score | None
    ) -> None:
        """A validation, and the mean training loss since the last."""
        self._epoch(
            {
                "epoch": epoch,
                "member": member,
                "step": pace.step,
                "progress": pace.progress,
                "elapsed_seconds": self.elapsed(),
                "learning_rate": trainee.lesson.learning_rate(pace.progress),
                "train_loss": loss,
                "val_accuracy": score and score.accuracy,
                "val_loss": score and score.loss,
            }
        )

    def _epoch(self, fields: dict[str, Any]) -> None:
        self.epochs.append(fields)
        self._report.event("epoch", **fields)

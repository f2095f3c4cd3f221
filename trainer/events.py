"""The clock of one training's budget, and the events that the training reports."""

import time
from collections.abc import Sequence
from typing import Any

from trainer.budget import Done, Pace
from trainer.evaluate import Score
from trainer.images import DeviceImages
from trainer.report import Report
from trainer.setup import TrialSetup
from trainer.train_state import TrainState


class Events:
    """elapsed_before: seconds of the budget that were spent before an interruption."""

    def __init__(self, report: Report, clock_began: float, elapsed_before: float) -> None:
        self._report = report
        self._zero = clock_began - elapsed_before
        self.epochs: list[dict[str, Any]] = []  # the events so far, for a resumed training

    def elapsed(self) -> float:
        """Seconds of the budget spent so far."""
        return time.monotonic() - self._zero

    def plan(self, pace: Pace, reason: str) -> None:
        self._report.event(
            "plan",
            total_steps=pace.total_steps,
            step=pace.step,
            step_seconds=pace.timings.step,
            reserve_seconds=pace.reserve_seconds,
            elapsed_seconds=self.elapsed(),
            reason=reason,
        )

    def epoch(
        self, member: int, state: TrainState, pace: Pace, epoch: int, loss: float, score: Score | None
    ) -> None:
        """Report a validation, and the mean training loss since the last one."""
        self.repeat(
            {
                "epoch": epoch,
                "member": member,
                "step": pace.step,
                "progress": pace.progress,
                "elapsed_seconds": self.elapsed(),
                "learning_rate": state.objective.learning_rate(pace.progress),
                "train_loss": loss,
                **_validated(score),
            }
        )

    def repeat(self, fields: dict[str, Any]) -> None:
        """Report an `epoch` event, also again after an interruption, when its line is lost."""
        self.epochs.append(fields)
        self._report.event("epoch", **fields)


def make_final(
    setup: TrialSetup, score: Score | None, tested: Score | None, paces: Sequence[Done], train_seconds: float
) -> dict[str, Any]:
    """The fields of the `final` event, but for `wall_seconds` and `engine`.

    score, tested: of the last weights on validation and test images; None where there are none
    paces: one for each network of the trial
    """
    budget, objective = setup.config.budget, setup.objective
    steps = sum(done.step for done in paces)
    of_first = tested and tested.first_accuracy
    return {
        **_validated(score),
        "val_class_accuracies": score and list(score.class_accuracies),
        "val_most_frequent": _share_of_most_frequent(objective.validation),
        "class_names": list(setup.decoded.names) or None,
        "test_accuracy": tested and tested.accuracy,
        "test_accuracy_1000": tested and (tested.accuracy if of_first is None else of_first),
        "test_loss": tested and tested.loss,
        "steps": steps,
        "total_steps": sum(done.total_steps for done in paces),
        "epochs": steps / objective.steps_per_epoch,
        "replans": sum(done.replans for done in paces),
        "plan": [list(planned) for planned in paces[0].plan] if len(paces) == 1 else None,
        "train_seconds": train_seconds,
        "overshoot_seconds": train_seconds - (budget.seconds or train_seconds),
        "images_per_second": steps * objective.settings.batch_size / train_seconds,
        "peak_memory_bytes": objective.device.peak_memory_bytes(),
    }


def _validated(score: Score | None) -> dict[str, Any]:
    """The scores on validation images that every `epoch` and the `final` event have."""
    return {
        "val_accuracy": score and score.accuracy,
        "val_loss": score and score.loss,
        "val_balanced_accuracy": score and score.balanced_accuracy,
        "val_macro_f1": score and score.macro_f1,
        "val_top5_accuracy": score and score.top5_accuracy,
    }


def _share_of_most_frequent(images: DeviceImages | None) -> float | None:
    """The fraction of the images that are of their most frequent class: what always answering it scores."""
    return None if images is None else int(images.labels.bincount().max()) / len(images)

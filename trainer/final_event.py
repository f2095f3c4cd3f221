"""The fields of a trial's last line, once its training has ended."""

from collections.abc import Sequence
from typing import Any

from trainer.budget import Done
from trainer.evaluate import Score
from trainer.setup import TrialSetup


def final(
    chosen: TrialSetup, score: Score | None, tested: Score | None, paces: Sequence[Done], train_seconds: float
) -> dict[str, Any]:
    """All but `wall_seconds` and `engine`, which are the process's.

    score, tested: of the last weights on validation and test images; None where there are none
    paces: of each network that was trained within the trial
    """
    budget, lesson = chosen.config.budget, chosen.lesson
    steps = sum(done.step for done in paces)
    return {
        "val_accuracy": score and score.accuracy,
        "val_loss": score and score.loss,
        **_tested(tested),
        "steps": steps,
        "total_steps": sum(done.total_steps for done in paces),
        "epochs": steps / lesson.steps_per_epoch,
        "replans": sum(done.replans for done in paces),
        "plan": [list(planned) for planned in paces[0].plan] if len(paces) == 1 else None,
        "train_seconds": train_seconds,
        "overshoot_seconds": train_seconds - (budget.seconds or train_seconds),
        "images_per_second": steps * lesson.settings.batch_size / train_seconds,
        "peak_memory_bytes": lesson.machine.peak_memory_bytes(),
    }


def _tested(score: Score | None) -> dict[str, Any]:
    if score is None:
        return {"test_accuracy": None, "test_accuracy_1000": None, "test_loss": None}
    of_first = score.accuracy if score.first_accuracy is None else score.first_accuracy
    return {"test_accuracy": score.accuracy, "test_accuracy_1000": of_first, "test_loss": score.loss}

"""The final training of one model, as a study, and the model that is saved of it.

The first run by number stands for the model, not the most accurate one, whose accuracy would be a lucky one.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.console import progress, summary
from orchestrator.console.format import accuracy_text
from orchestrator.console.progress import ReporterFactory
from orchestrator.evaluation.pairs import Pair, PairsSpec
from orchestrator.evaluation.run import run_pairs, show_plan, tell_ranking
from orchestrator.search.common_failure import TrainingsFailed
from orchestrator.training.options import TrainingOptions
from orchestrator.trial.context import StudyContext
from results import file_names
from results.analysis.evaluation import mean_interval
from results.db.store import Store
from results.db.tables import Model, Study, Trial
from results.scores import ACCURACY, measured_accuracy
from results.weights import first_with_weights

__all__ = ["run_training", "show_plan"]


def run_training(
    request: TrainingOptions,
    console: Console,
    stop: threading.Event,
    show: ReporterFactory = progress.open_reporter,
) -> str:
    """Run the final training of `request`, save its model, and print where it is. As `run_pairs`.

    Raise TrainingsFailed if no run has a result.
    """

    def close(study: Study, store: Store) -> None:
        tell_ranking(request, study, console)
        model = next((model for model in store.models() if model.study_id == study.id), None)
        rows = store.trials(study.id)
        if model is None:
            raise _no_result(rows[0])
        summary.say(console, _saved_text(model))
        if request.kept_weights != "none":
            standing = next(row for row in rows if row.id == model.trial_id)
            trained = first_with_weights(rows, standing)
            summary.say(console, *summary.weights_lines(request, model.name, trained))

    def save(context: StudyContext[PairsSpec]) -> None:
        _save_model(context, request.save_as)

    return run_pairs(request, console, stop, show, close, save)


def _save_model(context: StudyContext[PairsSpec], name: str | None) -> None:
    """Save the study's model, in place of the one of an earlier run of it with fewer trainings."""
    store, study, (pair,) = context.store, context.study, context.spec.pairs
    training = pair.training
    completed = [row for row in store.trials(study.id) if row.state == "completed"]
    store.drop_models(study.id)
    if not completed:
        return
    first = first_with_weights(completed, completed[0]) or completed[0]
    store.save_model(
        name=name or f"trained_{pair.subject.name}",
        network=training.network,
        **pair.scale,
        dataset=training.dataset,
        image_size=training.image_size,
        hyperparameters=dict(training.hyperparameters),
        recipe=training.recipe,
        ingredients=dict(training.ingredients) or None,
        architecture=dict(training.architecture) or None,
        macs=first.macs,
        parameters=first.parameters,
        **_accuracy_columns(pair, completed),
        status="trained",
        study_id=study.id,
        trial_id=first.id,
    )


def _accuracy_columns(pair: Pair, completed: Sequence[Trial]) -> dict[str, Any]:
    """Return a model's columns about its accuracy; the interval is of the test accuracy, if that was read."""
    reached = {
        name: [float(value) for row in completed if (value := getattr(row, name)) is not None]
        for name in ("val_accuracy", "test_accuracy")
    }
    is_tested, images = pair.training.test, pair.description.dataset.get("test_images")
    measured = ("test_accuracy", images) if is_tested else ("val_accuracy", pair.training.validation_images)
    low, high = mean_interval(reached[measured[0]], int(measured[1] or 0))
    means = {name: statistics.fmean(values) for name, values in reached.items() if values}
    return {**means, "trainings": len(completed), "accuracy_low": low, "accuracy_high": high}


def _saved_text(model: Model) -> str:
    noun, mean = measured_accuracy(model.val_accuracy, model.test_accuracy)
    assert mean is not None
    assert model.accuracy_low is not None
    assert model.accuracy_high is not None
    interval = ACCURACY.interval_text(model.accuracy_low, model.accuracy_high)
    known = f"{noun} accuracy {accuracy_text(mean)} {interval}, n {model.trainings}"
    return f"saved as model {model.name} ({known})"


def _no_result(failed: Trial) -> TrainingsFailed:
    log = Path(failed.folder or "") / file_names.LOG
    return TrainingsFailed(
        f"no run has a result, so no model is saved: {failed.reason}, {failed.message}; see {log}; "
        "give other settings"
    )

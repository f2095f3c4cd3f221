"""At a study's end: keep the weights that its policy names, and write into them what was found.

The trainer wrote a network's model.json when nobody knew yet what the study would say of it. The name that
it was saved under, its accuracy over all of its trainings, and its latency are added to the provenance there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.executors._process.files import replace_file
from orchestrator.trial import weights_policy
from orchestrator.trial.context import StudyContext, TrialSpec
from results import file_names
from results.db.tables import Model, Trial
from results.format import quantity
from results.latency import card_entries
from results.scores import Score, measured_accuracy
from results.weights import first_with_weights


def finish_weights(context: StudyContext[TrialSpec]) -> list[str]:
    """Remove the weights that the policy does not keep, and complete those of the study's saved models.

    Return lines for the user: what a given policy removed, and what could not be written.
    """
    return [*_remove_others(context), *describe_models(context)]


def _remove_others(context: StudyContext[TrialSpec]) -> list[str]:
    store, rows = context.store, context.store.trials(context.study.id)
    named = {first.number for _, first in _models(context, rows)}
    start = {1}  # a search without a baseline begins with its start
    kept = weights_policy.kept_at_end(rows, context.spec.request.kept_weights, named | start)
    numbers = {row.number for row in kept}
    others = [row for row in rows if row.weights_bytes is not None and row.number not in numbers]
    weights_policy.remove(store, others)
    policy = context.spec.request.keep_weights
    is_told = bool(policy and others)
    return (
        [f"weights of {quantity(len(others), 'training')} are removed: --keep-weights {policy}"]
        if is_told
        else []
    )


def describe_models(context: StudyContext[TrialSpec]) -> list[str]:
    """Write into the weights of the study's saved models what it found. Return why, where it cannot."""
    study, rows, lines = context.study, context.store.trials(context.study.id), []
    events = context.store.events(study.id)
    for model, first in _models(context, rows):
        row = first_with_weights(rows, first)
        if row is not None and row.folder is not None:
            measured = card_entries(events, first, study.question)
            facts = _facts_of(model, context.sought) | ({"latency": measured} if measured else {})
            problem = _add_provenance(Path(row.folder), facts)
            lines += [f"the weights of {model.name}: {problem}"] if problem else []
    return lines


def _models(context: StudyContext[TrialSpec], rows: Sequence[Trial]) -> list[tuple[Model, Trial]]:
    """Return the models that the study saved, each with its trial."""
    by_id = {row.id: row for row in rows}
    saved = [model for model in context.store.models() if model.study_id == context.study.id]
    return [(model, by_id[model.trial_id]) for model in saved if model.trial_id in by_id]


def _facts_of(model: Model, sought: Score) -> dict[str, Any]:
    """Return what a study knows of a model that it saved: its name, and its accuracy or other score."""
    images, mean = measured_accuracy(model.val_accuracy, model.test_accuracy)
    known: dict[str, Any] = {"mean": mean, "runs": model.trainings or 1, "images": images}
    if model.accuracy_low is not None and model.accuracy_high is not None:
        known["interval"] = list(sought.cut(model.accuracy_low, model.accuracy_high))
    return {"name": model.name, "status": model.status, sought.name: known}


def _add_provenance(folder: Path, facts: Mapping[str, Any]) -> str | None:
    """Add facts to the provenance in a folder's model.json. Return why that failed, if it did.

    The checksum there is of the weights alone, so it still holds.
    """
    path = folder / file_names.MODEL
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        described["provenance"] = {**described.get("provenance", {}), **facts}
        with replace_file(path) as file:
            file.write(json.dumps(described, indent=1).encode() + b"\n")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return f"cannot write its name into {path}: {error}"
    return None

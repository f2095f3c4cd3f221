"""Describe one study or one trial, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from results import constraints, export, file_names, queries
from results.analysis import forecast
from results.db.tables import RUN_BY_RUN
from results.errors import missing_trial
from results.format import (
    mean_text,
    metric_text,
    millions,
    moment,
    number,
    percent,
    quantity,
    relevant_settings,
    shown_point,
    size_text,
    stop_text,
    stops_text,
    trust_text,
    value_text,
    why_text,
)
from results.metrics import shown_metric
from results.packages import pandas as pd
from results.scores import ACCURACY, SCORES, Score, measured_accuracy, sought_score, worst_classes
from results.study_record import STATE_LABELS
from results.tables import outcomes, plain, score_columns, table_of, time_left


def study_facts(db: queries.Database, name: str) -> dict[str, Any]:
    """Return everything about a study, as one JSON object."""
    trials, models = queries.trials(db, name), queries.models(db)
    best = export.records(queries.best(db, name))
    failed = trials[trials["state"] == "failed"]["reason"].fillna("unknown").value_counts()
    return {
        **export.records(queries.studies(db, name))[0],
        "trials_by_state": {str(key): int(n) for key, n in trials["state"].value_counts().items()},
        "failures_by_reason": {str(key): int(n) for key, n in failed.items()},
        "best": best[0] if best else None,
        "early_stops": next(iter(export.records(queries.early_stops(db, name))), None),
        "models": export.records(models[models["study"] == name]),
        "events": export.records(queries.events(db, name)),
    }


def study_words(facts: dict[str, Any]) -> RenderableType:
    """Return the facts of a study as text for people."""
    said = f": {facts['message']}" if facts["message"] else ""
    sought = sought_score(facts["question"])
    saved = [_model(model, facts) for model in facts["models"]]
    lines = {
        "study": f"{facts['name']} ({facts['kind']})",
        "state": f"{facts['state']}{said}",
        sought.reword("required accuracy"): _required_accuracy(facts, sought),
        "trials": _counts(facts),
        "used": forecast.used_text(facts),
        "left": "" if time_left(facts) == "-" else time_left(facts),
        "expected saving": _expected_saving(facts),
        "early stopping": stops_text(facts["early_stops"]),
        "best": "" if facts["kind"] in RUN_BY_RUN else _best(facts, sought),
        "saved as": ", ".join(saved),
        "started": f"{moment(pd.Timestamp(facts['created_at']))} UTC",
        "updated": f"{moment(pd.Timestamp(facts['updated_at']))} UTC",
        "versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
        "commit": facts["git_commit"] or "",
    }
    question = [(f"  {path}", str(value)) for path, value in _flat("", relevant_settings(facts["question"]))]
    events = [(f"  {moment(pd.Timestamp(event['at']))}", _event(event)) for event in facts["events"]]
    told: list[RenderableType] = ["", "events", _grid(events)] if events else []
    return Group(_grid(lines.items()), "", "settings", _grid(question), *told)


def _required_accuracy(facts: dict[str, Any], sought: Score) -> str:
    if facts["min_accuracy"] is None:
        return ""
    required = f"validation {sought.noun} of at least {percent(facts['min_accuracy'])}"
    if facts["baseline_accuracy"] is None:
        return required
    baseline = mean_text(facts["baseline_accuracy"], facts["baseline_std"], facts["baseline_replicates"])
    return f"{required}; baseline {baseline}"


def _counts(facts: dict[str, Any]) -> str:
    by_state = facts["trials_by_state"].items()
    states = ", ".join(f"{count} {STATE_LABELS.get(state, state)}" for state, count in by_state)
    reasons = ", ".join(f"{count} {reason}" for reason, count in facts["failures_by_reason"].items())
    searched = f"{facts['spent']:.4g} of {quantity(facts['budget_trials'], 'training')} spent"
    return "; ".join(part for part in (searched, f"trials: {states}" if states else "", reasons) if part)


def _expected_saving(facts: dict[str, Any]) -> str:
    """Return what ten more trainings of a running study are expected to save, if its solver has a model."""
    saving = facts["expected_saving"] if facts["state"] == "running" else None
    return "" if saving is None else f"{percent(saving, 1)} by 10 more trainings"


def _best(facts: dict[str, Any], sought: Score) -> str:
    best = facts["best"]
    if best is None:
        return "none yet"
    noun = "" if sought == ACCURACY else f"{sought.noun} "
    accuracy = f"{noun}{sought.text(best['mean_accuracy'])} (n = {best['trainings']})"
    metric = shown_metric(facts["minimise"])
    amount = best[metric.column]
    size = "" if amount is None else f" at {metric_text(metric, amount)} {metric.base_unit}"  # of no script
    return f"trial {best['trial']}: {accuracy}{size}"


def _model(model: dict[str, Any], facts: dict[str, Any]) -> str:
    """Return a saved model of a study in words."""
    said = f"{model['name']} ({model['status']})"
    if model["accuracy_low"] is None:
        return said
    sought = sought_score(facts["question"])
    interval = sought.interval_text(model["accuracy_low"], model["accuracy_high"])
    images, mean = measured_accuracy(model["val_accuracy"], model["test_accuracy"])
    reached = f"test accuracy {percent(mean)}" if images == "test" else sought.text(mean)
    known = f"{said}: {reached} {interval}, n = {model['trainings']}"
    trust = trust_text(model, facts["question"], facts["minimise"])
    return f"{known}; {trust}" if trust else known


def _event(event: dict[str, Any]) -> str:
    about = f" (trial {event['trial']})" if event["trial"] is not None else ""
    return f"{event['kind']}{about} {json.dumps(event['detail'], ensure_ascii=False)}"


def trial_facts(db: queries.Database, study: str, trial: int) -> dict[str, Any]:
    """Return everything about a trial, with its learning curve, as one JSON object."""
    trials = queries.trials(db, study)
    row = trials[trials["number"] == trial]
    if row.empty:
        raise missing_trial(study, trial, max(trials["number"], default=0))
    curve, found = queries.learning_curves(db, study), export.records(row)[0]
    return {
        "study": study,
        **found,
        "outcome": outcomes(trials, export.records(queries.studies(db, study))[0])[trial],
        "candidate": shown_point(found["point"], found["config"]),
        "measurements": export.records(curve[curve["trial"] == trial]),
    }


def trial_words(facts: dict[str, Any], study: dict[str, Any]) -> RenderableType:
    """Return the facts of a trial as text for people. `study`: its row of `queries.studies`."""
    folder = Path(facts["folder"]) if facts["folder"] else None
    sought = sought_score(study["question"])
    lines = {
        "trial": f"{facts['number']} of study {facts['study']}",
        "purpose": f"{facts['purpose']}, repeat {facts['replicate']}",
        "outcome": facts["outcome"],
        "message": facts["message"] or "",
        "candidate": ", ".join(f"{name} {value_text(value)}" for name, value in facts["candidate"].items()),
        "val accuracy": "" if sought.is_own else percent(facts["val_accuracy"]),
        sought.noun: sought.text(facts["score"]) if sought.is_own else "",
        "other val scores": _other_scores(facts),
        "worst classes": ", ".join(
            f"{name} {percent(share)}" for name, share in worst_classes(facts["val_class_accuracies"])
        ),
        "test accuracy": _tested(facts),
        "cost": ""
        if facts["macs"] is None  # of what a script trains
        else f"{millions(facts['macs'])} MACs, {millions(facts['parameters'])} parameters",
        "trained": _trained(facts),
        "used": _used(facts),
        "chosen as": why_text(facts, study["minimise"]),
        "told to the solver": constraints.words(facts, study),
        "verdict": _verdict(facts, study),
        "early stopping": stop_text(facts),
        "machine": " ".join(str(facts[key]) for key in ("host", "device", "device_name") if facts[key]),
        "seeds": f"{facts['seed']} for the training, {facts['subset_seed']} for the image sample"
        if facts["seed"] is not None
        else "",
        "weights": _weights(facts),
        "folder": str(folder or ""),
        "log": str(folder / file_names.LOG) if folder else "",
        "config": json.dumps(facts["config"], ensure_ascii=False) if facts["config"] else "",
    }
    curve = facts["measurements"]
    return Group(_grid(lines.items()), *(("", _curve_table(pd.DataFrame(curve), sought)) if curve else ()))


def _other_scores(facts: dict[str, Any]) -> str:
    scores = [score for score in SCORES.values() if score != ACCURACY and facts[score.field] is not None]
    return ", ".join(f"{score.noun} {percent(facts[score.field])}" for score in scores)


def _curve_table(frame: pd.DataFrame, sought: Score) -> Table:
    """Return a table with one row per measurement of a trial."""
    return table_of(
        frame,
        {
            "epoch": plain("epoch"),
            "progress": lambda row: percent(row["progress"], 0),
            "seconds": lambda row: number(row["elapsed_seconds"], 1),
            "lr": plain("learning_rate"),
            "train loss": lambda row: number(row["train_loss"], 4),
            "val loss": lambda row: number(row["val_loss"], 4),
            **score_columns(sought),
        },
    )


def _tested(facts: dict[str, Any]) -> str:
    if facts["test_accuracy"] is None:
        return ""
    of_1000 = facts["test_accuracy_1000"]
    return percent(facts["test_accuracy"]) + (
        f", {percent(of_1000)} on 1,000 images" if of_1000 is not None else ""
    )


def _trained(facts: dict[str, Any]) -> str:
    if facts["train_seconds"] is None:
        return ""
    epochs = f", {number(facts['epochs'], 1)} epochs" if facts["epochs"] is not None else ""
    return (
        f"{number(facts['train_seconds'], 1)} s, {facts['steps']} steps{epochs}, attempt {facts['attempts']}"
    )


def _used(facts: dict[str, Any]) -> str:
    if facts["slot_seconds"] is None:
        return ""
    joules = forecast.energy(facts["energy_joules"]) or "energy not measured"
    return f"{number(facts['slot_seconds'], 1)} s of a worker, {joules}"


def _weights(facts: dict[str, Any]) -> str:
    """Return whether a completed training's weights are kept, and where."""
    if facts["state"] != "completed":
        return ""
    if facts["weights_bytes"] is None:
        return "not kept"
    seconds = facts["weights_seconds"]
    written = f", written in {number(seconds, 2)} s" if seconds is not None else ""
    return f"{size_text(facts['weights_bytes'])} in {facts['folder']}{written}"


def _verdict(facts: dict[str, Any], study: dict[str, Any]) -> str:
    if not facts["verdict"]:
        return ""
    return f"{facts['verdict']}: {trust_text(facts, study['question'], study['minimise'])}"


def _flat(path: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        return [(path, value)]
    return [line for key, inner in value.items() for line in _flat(f"{path}.{key}" if path else key, inner)]


def _grid(lines: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2), pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines:
        if value:
            grid.add_row(name, value)
    return grid

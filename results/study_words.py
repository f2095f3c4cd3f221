"""The settings and results of a study in sentences, from its rows in the database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results import no_winner
from results.analysis.forecast import used_text
from results.db.tables import RUN_BY_RUN
from results.format import mean_text, percent, quantity, stops_text, trust_text
from results.metrics import METRICS, limits_of
from results.scores import ACCURACY, measured_accuracy
from results.study_record import Row, StudyRecord

_STATES = {"finished": "It has finished", "running": "It is still running", "stopped": "It was stopped"}

_OF_FILES = ("folder", "csv", "npz")  # data sets that are named by their path


def describe_settings(study: StudyRecord) -> list[str]:
    """Return the study's objective, required accuracy, budget and state."""
    question = study.study["question"]
    training = question.get("training") or {}
    said = [_aim(study, question), _bound(study), _limits(question), _contract(study, training)]
    solver = (
        (question.get("solver") or {}).get("name") if isinstance(question.get("solver"), Mapping) else None
    )
    said.append(f"The solver {solver} proposed the candidates." if solver else "")
    ended = _STATES.get(study.study["state"], "It failed")
    message = f": {study.study['message']}" if study.study["message"] else ""
    said.append(f"{ended}{message}.")
    return [sentence for sentence in said if sentence]


def _aim(study: StudyRecord, question: Mapping[str, Any]) -> str:
    subject = question.get("subject") or question.get("base") or "a network"
    if study.has_two_aims:
        return (
            f"Goal: the Pareto front of {study.metric.goal} and highest {study.sought.noun}, for variants of "
            f"{subject}."
        )
    if study.minimised:
        least = study.metric.goal
        return (
            f"Goal: the variant of {subject} with the {least} that reaches the required {study.sought.noun}."
        )
    if study.study["kind"] == "nas":
        if study.sought != ACCURACY:
            return f"Goal: the variant of {subject} with the highest {study.sought.noun}."
        return f"Goal: the most accurate variant of {subject}."
    if study.study["kind"] not in RUN_BY_RUN:
        space = question.get("searched", "hyperparameters")
        return f"Goal: the {study.sought.goal} of {subject}, over the search space {space}."
    if study.study["kind"] == "training":
        (pair,) = question["pairs"]
        return f"The final training of {pair}."
    return "The study compares models and recipes, each trained several times."


def _bound(study: StudyRecord) -> str:
    if study.bound is None:
        return _no_bound(study)
    baseline, count = study.study["baseline_accuracy"], study.study["baseline_replicates"]
    if baseline is None:
        return f"The required validation {study.sought.noun} is {percent(study.bound)}, as given by the user."
    measured = mean_text(baseline, study.study["baseline_std"], count)
    tolerance = round(100 * (baseline - study.bound), 2)
    less = f"minus the tolerance of {quantity(tolerance, 'point')}" if tolerance else "with no tolerance"
    return (
        f"The required validation {study.sought.noun} is {percent(study.bound)}: the base network's mean of "
        f"{measured}, {less}."
    )


def _limits(question: Mapping[str, Any]) -> str:
    """Return the limits of a network's metrics."""
    limits = [(METRICS[name], most) for name, most in limits_of(question).items()]
    said = [f"{most / metric.scale:,.6g} {metric.unit_of}" for metric, most in limits]
    return f"A network may have at most {' and '.join(said)}." if said else ""


def _no_bound(study: StudyRecord) -> str:
    asked = study.study["question"].get("baseline")
    if not (isinstance(asked, Mapping) and asked.get("replicates")):
        return f"There is no required {study.sought.noun}." if study.minimised else ""
    failed = no_winner.failed_baseline(study)
    but = "could not be trained" if failed else "is not measured yet"
    return f"The required {study.sought.noun} is that of the base network, which {but}."


def _contract(study: StudyRecord, training: Mapping[str, Any]) -> str:
    budget = training.get("budget") or {}
    each = f"{budget['seconds']:g} s" if budget.get("seconds") else f"{budget.get('steps', '?')} steps"
    where = f"{training['folds']} folds, each with " if training.get("folds") else ""
    validation = training.get("validation_images")
    held_out = f" and {validation:,} validation" if validation else ""
    images = (
        f" on {where}{training['train_images']:,} training{held_out} images of {_dataset(study, training)}"
        if training.get("train_images") is not None
        else ""
    )
    if study.is_script:
        images = f" by the script `{study.study['question']['trainer']}`"
    spent, whole = study.study["spent"], study.study["budget_trials"]
    of_each = f" of {each}{images}" if training else ""
    return f"{round(spent, 2):,.10g} of {whole:,} trainings{of_each} are spent, {used_text(study.study)}."


def _dataset(study: StudyRecord, training: Mapping[str, Any]) -> str:
    """Return the name of the data set; only trials know that of a file or folder."""
    trained = (config for config in study.trials["config"] if isinstance(config, Mapping))
    name = str(next(trained, training).get("dataset"))
    kind, _, place = name.partition(":")
    return Path(place).name if kind in _OF_FILES else name


def describe_result(study: StudyRecord) -> list[str]:
    """Return the winner, its comparison with the base, its probability, and a summary of the trials."""
    counts = stops_text(study.early_stops)
    stops = f"Early stopping: {counts}." if counts else ""
    return [sentence for sentence in (*_winner(study), _counts(study), stops) if sentence]


def _winner(study: StudyRecord) -> list[str]:
    if study.has_two_aims and study.front.empty:
        return [_nothing(study)]
    if study.has_two_aims:
        given = f"how much {study.sought.noun} each size gives"
        return [f"The result is a Pareto front; the table below shows {given}."]
    best, model = study.winner, study.model
    if best is None:
        return ["" if study.study["kind"] in RUN_BY_RUN else _nothing(study)]
    chosen = "stands for it, the first run by number" if study.study["kind"] == "training" else "is the best"
    said = [f"Trial {best['number']} {chosen}{_compared(study, best)}.", _accuracy(study, best, model)]
    said.append(_trust(study, best, model))
    said.append(f"It is saved as model {model['name']} ({model['status']})." if model else "")
    return said


def _nothing(study: StudyRecord) -> str:
    why = no_winner.why(study)
    return f"{why[0].upper()}{why[1:]}."


def _compared(study: StudyRecord, best: Row) -> str:
    """Return the winner's size, compared with the base network's."""
    first, size = study.base, study.size(best)
    if not study.minimised or size is None:
        return ""
    whole = study.size(first) if first else None
    less = f", {1 - size / whole:.0%} less than the base network's {whole:.2f}" if whole else ""
    return f" with {size:.2f} {study.metric.unit}{less}"


def _accuracy(study: StudyRecord, best: Row, model: Row | None) -> str:
    known = next((n for n in study.networks if n.trial == best["number"] and n.is_replicated), None)
    sought, images = study.sought, "validation"
    validation = "" if sought.is_number else "validation "  # a script says what its number is of
    if model is not None and model["accuracy_low"] is not None:
        images, mean = measured_accuracy(model["val_accuracy"], model["test_accuracy"])
        low, high, trainings = (model[name] for name in ("accuracy_low", "accuracy_high", "trainings"))
    elif known is not None:
        mean, (low, high), trainings = known.belief.mean, known.belief.interval(), known.belief.trainings
    elif model is not None and _is_repeated(study, best):  # a number, of which one repeat gives no interval
        return f"Its {sought.noun} is {sought.text(model['val_accuracy'])} (n {model['trainings']})."
    else:
        known_as = f"a {validation}{sought.noun} of {sought.text(best['accuracy'])}"
        return f"The training that selected it had {known_as}."
    return (
        f"Its {validation and f'{images} '}{sought.noun} is {sought.text(mean)} "
        f"{sought.interval_text(low, high)} (95% interval, n {trainings})."
    )


def _trust(study: StudyRecord, best: Row, model: Row | None) -> str:
    if not study.minimised and study.study["kind"] not in RUN_BY_RUN:
        return _lead(study, best, model)
    if study.bound is None or (model and model["status"] == "confirmed" and not best["verdict"]):
        return ""
    if best["verdict"]:
        trust = trust_text(best, study.study["question"], study.minimised)
        return f"It is {best['verdict']}: {trust}, by its repeats.{_shared(best)}"
    trust = trust_text(model, study.study["question"], study.minimised) if model else ""
    if model is None or not trust:
        why = "its repeats gave no verdict" if _is_repeated(study, best) else "it was not trained again"
        return f"It is provisional: {why}, so its training may have been lucky."
    return f"It is provisional, as its repeats gave no verdict: {trust}.{_shared(model)}"


def _is_repeated(study: StudyRecord, best: Row) -> bool:
    repeats = (row for row in study.rows if row["purpose"] == "confirmation")  # and not a duplicate
    return any(row["of_trial_number"] == best["number"] for row in repeats)


def _shared(row: Row) -> str:
    """Return how much of the noise pairs have in common, if the row has a comparison by pairs."""
    if row["shared_noise"] is None:
        return ""
    return (
        f" Trainings of the same images and seed have {percent(row['shared_noise'], 0)} of their variance in "
        "common, estimated from the study's repeats."
    )


def _lead(study: StudyRecord, best: Row, model: Row | None) -> str:
    """Return how likely the winner of a search for accuracy is to be better than the start."""
    if model is not None and model["probability"] is not None:
        return f"It is {trust_text(model, study.study['question'], None)}.{_shared(model)}"
    if model is not None and model["status"] == "confirmed":
        return "That is where the search started: no candidate was better when the best were retrained."
    if model is not None and model["accuracy_low"] is not None:
        unknown = (
            "The start of the search was not retrained, so it is not known whether this is more accurate."
        )
        return study.sought.reword(unknown)
    if model is not None and _is_repeated(study, best):
        return "It is provisional: one repeat does not tell how much the results of repeats differ."
    return "It is provisional: it was not retrained, so its training may have been lucky."


def _counts(study: StudyRecord) -> str:
    counts: dict[str, int] = {}
    for row in study.rows:
        counts[row["label"]] = counts.get(row["label"], 0) + 1
    if not counts:
        return "There are no trials yet."
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items(), key=lambda c: -c[1]))
    hours = study.seconds / 3600
    time = f"{hours:.1f} device-hours" if hours >= 2 else f"{60 * hours:.1f} device-minutes"
    return f"All trials: {told}. Trainings took {time}."

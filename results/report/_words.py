"""What a study was asked and what it found, in sentences, from the record alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from results import no_winner
from results.analysis import pruning
from results.analysis.forecast import used
from results.format import percent
from results.plots.path import seconds_of
from results.study_record import UNITS, Row, StudyRecord, plain_rows

_LEAST = {"macs": "fewest MACs", "params": "fewest parameters", "latency": "least latency"}
_STATES = {"finished": "It has finished", "running": "It is still running", "stopped": "It was stopped"}


def asked(study: StudyRecord) -> list[str]:
    """Return the question, its bound, its budget and what became of the study."""
    question = study.study["question"]
    training = question.get("training") or {}
    said = [_aim(study, question), _bound(study), _limits(question), _contract(study, training)]
    solver = (
        (question.get("solver") or {}).get("name") if isinstance(question.get("solver"), Mapping) else None
    )
    said.append(f"The solver {solver} proposed the points." if solver else "")
    ended = _STATES.get(study.study["state"], "It failed")
    message = f": {study.study['message']}" if study.study["message"] else ""
    said.append(f"{ended}{message}.")
    return [sentence for sentence in said if sentence]


def _aim(study: StudyRecord, question: Mapping[str, Any]) -> str:
    subject = question.get("subject") or question.get("base") or "a network"
    if study.has_two_aims:
        return (
            f"The study asked for the front of {_LEAST[study.minimised or 'macs']} and accuracy of {subject}."
        )
    if study.minimised:
        least = _LEAST[study.minimised]
        return f"The study asked for the network of {least} made of {subject} that is accurate enough."
    if study.study["kind"] == "nas":
        return f"The study asked for the most accurate network made of {subject}."
    if study.study["kind"] != "evaluation":
        space = question.get("searched", "hyperparameters")
        return f"The study asked how {subject} is trained to the greatest accuracy, over the space {space}."
    return "The study compared models and recipes, each trained several times."


def _bound(study: StudyRecord) -> str:
    if study.bound is None:
        return _no_bound(study)
    baseline, count = study.study["baseline_accuracy"], study.study["baseline_replicates"]
    if baseline is None:
        return f"A network must reach a validation accuracy of {percent(study.bound)}; that bound was given."
    std = study.study["baseline_std"]
    spread = f" ± {percent(std)} (standard deviation)" if std is not None else ""
    margin = 100 * (baseline - study.bound)
    less = f"less a margin of {margin:.2f} points" if margin >= 0.005 else "without a margin"
    return (
        f"A network must reach a validation accuracy of {percent(study.bound)}: the base network's mean of "
        f"{percent(baseline)}{spread} over {count} {'training' if count == 1 else 'trainings'}, {less}."
    )


def _limits(question: Mapping[str, Any]) -> str:
    """Return the most that a network may come to."""
    most = dict((question.get("aim") or {}).get("limits") or {})
    if question.get("most_parameters") is not None:
        most["params"] = question["most_parameters"]
    said = [f"{limit / UNITS[name][2]:,.6g} {UNITS[name][1]}" for name, limit in most.items()]
    latency = " of latency" if "latency" in most else ""
    return f"A network may have {' and '.join(said)}{latency} at most." if said else ""


def _no_bound(study: StudyRecord) -> str:
    asked = study.study["question"].get("baseline")
    if not (isinstance(asked, Mapping) and asked.get("replicates")):
        return "It has no bound on the accuracy." if study.minimised else ""
    failed = no_winner.failed_baseline(study)
    but = "but that could not be trained" if failed else "which is not measured yet"
    return f"A network was to be as accurate as the base network, {but}."


def _contract(study: StudyRecord, training: Mapping[str, Any]) -> str:
    budget = training.get("budget") or {}
    each = f"{budget['seconds']:g} s" if budget.get("seconds") else f"{budget.get('steps', '?')} steps"
    images = (
        f" on {training['train_images']:,} training and {training['validation_images']:,} validation images"
        f" of {str(training.get('dataset')).rpartition('/')[2]}"
        if training.get("train_images") is not None
        else ""
    )
    spent, whole = study.study["spent"], study.study["budget_trials"]
    of_each = f" of {each}{images}" if training else ""
    return f"{spent:,.10g} of {whole:,} trainings{of_each} are spent, {used(study.study, study.slot_kind)}."


def found(study: StudyRecord) -> list[str]:
    """Return the winner, how it compares, how far it is to be believed, and what the trials came to."""
    stops = f"Early stops: {pruning.stops_text(study.early_stops)}." if study.early_stops else ""
    return [sentence for sentence in (*_winner(study), _counts(study), stops) if sentence]


def winner(study: StudyRecord) -> Row | None:
    """Return the trial that the study's saved model is from, or else its best trial."""
    saved = _saved(study)
    number = saved["trial"] if saved else study.study["best_trial"]
    return study.by_number.get(number) if number is not None else None


def base(study: StudyRecord) -> Row | None:
    """Return the first trial of the base network."""
    return next((row for row in study.rows if row["purpose"] == "baseline"), None)


def _saved(study: StudyRecord) -> Row | None:
    models = plain_rows(study.models)
    return models[0] if models else None


def _winner(study: StudyRecord) -> list[str]:
    if study.has_two_aims and study.front.empty:
        return [_nothing(study)]
    if study.has_two_aims:
        return ["The answer is a front, which the table below has: what each step in size buys in accuracy."]
    best, model = winner(study), _saved(study)
    if best is None:
        return ["" if study.study["kind"] == "evaluation" else _nothing(study)]
    said = [f"Trial {best['number']} is the best{_compared(study, best)}.", _accuracy(study, best, model)]
    said.append(_trust(study, best, model))
    said.append(f"It is saved as the model {model['name']} ({model['status']})." if model else "")
    return said


def _nothing(study: StudyRecord) -> str:
    why = no_winner.why(study)
    return f"{why[0].upper()}{why[1:]}."


def _compared(study: StudyRecord, best: Row) -> str:
    """Return the winner's size beside the base network's."""
    first, size = base(study), study.size(best)
    if not study.minimised or size is None:
        return ""
    whole = study.size(first) if first else None
    less = f", {1 - size / whole:.0%} less than the base network's {whole:.2f}" if whole else ""
    return f" with {size:.2f} {study.size_unit}{less}"


def _accuracy(study: StudyRecord, best: Row, model: Row | None) -> str:
    known = next((n for n in study.networks if n.trial == best["number"] and n.is_replicated), None)
    if model is not None and model["accuracy_low"] is not None:
        mean, low, high = (model[name] for name in ("val_accuracy", "accuracy_low", "accuracy_high"))
        trainings = model["trainings"]
    elif known is not None:
        mean, (low, high), trainings = known.belief.mean, known.belief.interval(), known.belief.trainings
    else:
        return f"The training it was picked by had a validation accuracy of {percent(best['accuracy'])}."
    plural = "training" if trainings == 1 else "trainings"
    return (
        f"Its validation accuracy is {percent(mean)} over {trainings} {plural}; the true one lies between "
        f"{percent(max(low, 0.0))} and {percent(min(high, 1.0))} with a probability of 95%."
    )


def _trust(study: StudyRecord, best: Row, model: Row | None) -> str:
    if not study.minimised and study.study["kind"] != "evaluation":
        return _lead(model)
    if study.bound is None or (model and model["status"] == "confirmed" and not best["verdict"]):
        return ""
    if best["verdict"]:
        chance = percent(best["probability"], 1)
        return f"It is {best['verdict']}: its replicates keep the bound with a probability of {chance}."
    return "It is provisional: no verdict was reached by training it again, so it may have been lucky."


def _lead(model: Row | None) -> str:
    """Return how far the winner of a search for accuracy is believed to be better than where that began."""
    if model is not None and model["probability"] is not None:
        chance = percent(model["probability"], 1)
        return f"It is more accurate than the search's start with a probability of {chance}."
    if model is not None and model["status"] == "confirmed":
        return "That is where the search started: nothing better came out when the best were trained again."
    if model is not None and model["accuracy_low"] is not None:
        return "The search's start was not trained again, so it is not known to be more accurate than that."
    return "It is provisional: it was not trained again, so it may have been lucky."


def _counts(study: StudyRecord) -> str:
    counts: dict[str, int] = {}
    for row in study.rows:
        counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
    if not counts:
        return "No trial is on record yet."
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items(), key=lambda c: -c[1]))
    hours = sum(map(seconds_of, study.trained)) / 3600
    time = (
        f"{hours:.1f} {study.slot_kind}-hours"
        if hours >= 2
        else f"{60 * hours:.1f} {study.slot_kind}-minutes"
    )
    return f"All trials: {told}. Trainings took {time}."

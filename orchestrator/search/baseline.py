"""Measure the base network. Its mean accuracy gives the required accuracy of the search.

A base network at chance stops the search before it begins: any network would be as accurate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from orchestrator.spec.formulation import accuracy, sought_value
from orchestrator.spec.study_spec import StudySpec
from orchestrator.trial.context import StudyContext
from orchestrator.trial.outcome import is_open
from orchestrator.trial.runner import VALIDATION_CLASSES, Runner
from results.analysis import chance
from results.analysis.chance import Chance
from results.analysis.posterior import VerdictSettings
from results.db.tables import Trial

_NO_HOURS = "the device-hours left are not enough to train the base network; give a larger --max-gpu-hours"
_OTHERWISE = "try other hyperparameters or a longer --budget"
_REMEDIES = {  # for running the same command again, by the reason of the failure
    "host_memory": "give a larger --max-memory and run the same command again",
    "timeout": "give a longer --timeout and run the same command again",
    "over_budget": "give fewer --slots and run the same command again",
    "no_result": "fix that and run the same command again",
    "killed": "fix that and run the same command again",
    "crashed": "fix that and run the same command again",
    "bad_report": "fix that and run the same command again",
    "too_much_output": "fix that and run the same command again",
    "out_of_memory": "try a smaller --batch-size or a device with more memory",
}


class BaselineFailed(RuntimeError):
    """The base network cannot be trained, or has learnt nothing, so the search has no required accuracy."""


def measure(context: StudyContext[StudySpec], runner: Runner, recorded: Sequence[Trial]) -> list[float]:
    """Train those of a study's first trials that `recorded` lacks, and return the accuracies of all.

    They train the base network as the search will train others, each with other images and another seed.
    Raise BaselineFailed if a training fails.
    """
    spec = context.spec
    start, numbers = spec.formulation(None).start, range(1, spec.replicates + 1)
    rows = {row.number: row for row in recorded if row.number in numbers}
    requests = [
        context.request(n, "baseline", start, n - 1, rows.get(n), description=spec.first)
        for n in numbers
        if n not in rows or rows[n].state != "completed"
    ]
    if requests and not runner.affords(len(requests) - 1):
        raise BaselineFailed(_NO_HOURS)
    rows |= {row.number: row for row in runner.run(requests)}
    for row in rows.values():
        if is_open(row):
            raise BaselineFailed(_NO_HOURS)
        if row.state != "completed":
            raise BaselineFailed(
                f"the base network could not be trained (trial {row.number}: {row.reason}, {row.message}); "
                f"{find_remedy(row.reason)}"
            )
    return [accuracy(rows[n]) for n in numbers]


def find_remedy(reason: str | None) -> str:
    """Return what to do about trainings that fail for a reason."""
    return _REMEDIES.get(reason or "", _OTHERWISE)


def refuse_chance(context: StudyContext[StudySpec], recorded: Sequence[Trial]) -> None:
    """Raise BaselineFailed if the measured base network is at chance, unless the user forces the search.

    recorded: the study's trials as this run found them. A search that had begun by then goes on.
    """
    store, study_id = context.store, context.study.id
    if any(row.purpose == "search" for row in recorded):
        return
    rows = [row for row in store.trials(study_id) if row.purpose == "baseline"]
    found = _find_chance(context, rows)
    if found is None:
        return
    store.note(study_id, chance.EVENT, found.to_json())
    said = found.text("the base network")
    if not context.spec.request.force:
        raise BaselineFailed(f"{said}{_trained_text(rows)}; {chance.ADVICE}")
    context.reporter.note(f"{said}; searching anyway (--force)")


def note_chance(context: StudyContext[StudySpec], start: Trial) -> None:
    """Tell the user if the first training of a search without a baseline is at chance."""
    found = _find_chance(context, [start])
    if found is not None:
        context.reporter.note(f"{found.text('the start')}{_trained_text([start])}")


def _find_chance(context: StudyContext[StudySpec], rows: Sequence[Trial]) -> Chance | None:
    """Return the comparison of a network's trainings with chance, if it is at chance.

    A trainer that does not tell the fraction of the most frequent class is taken to validate on equally many
    images of each class. Without classes there is no test. Balanced accuracy and macro F1 are 1 / classes at
    most for always answering one class.
    """
    events, classes = context.store.events(context.study.id), context.spec.base.classes
    told = {e.trial_id: e.detail["most_frequent"] for e in events if e.kind == VALIDATION_CLASSES}
    is_by_class = context.sought.name in ("balanced_accuracy", "macro_f1")
    effective = VerdictSettings.read(context.study.question).images
    trainings = []
    for row in rows:
        images = effective or (row.config or {}).get("subset", {}).get("validation")
        reached = sought_value(row) if is_by_class else row.val_accuracy
        most_frequent = None if is_by_class else told.get(row.id)
        if reached is None or not images or (most_frequent is None and classes < 2):
            return None
        trainings.append((reached, images, most_frequent or 1 / classes))
    found = chance.compare_with_chance(trainings)
    return found if found.is_reached else None


def _trained_text(rows: Iterable[Trial]) -> str:
    """Return how much a network was trained, on average, as the end of a sentence."""
    facts = {
        "steps": "{:,.0f} steps",
        "epochs": "{:.2f} epochs",
        "images_per_second": "{:,.0f} images a second",
    }
    told = {name: [value for row in rows if (value := getattr(row, name)) is not None] for name in facts}
    said = [text.format(fmean(told[name])) for name, text in facts.items() if told[name]]
    return f", after {', '.join(said)}" if said else ""

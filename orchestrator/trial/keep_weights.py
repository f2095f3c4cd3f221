"""Whose weights a study keeps (`--keep-weights`), while it runs and at its end.

A training is asked to keep its weights before anybody knows whether they will be needed, so those that are
not are removed as the study goes. While it runs, each network has at most the weights of the training that
stands for it (`results.weights`). Files go before their row says so: after a kill in between, the doctor
finds rows without files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.spec import provenance
from orchestrator.spec.formulation import Formulation
from orchestrator.spec.options import KeepWeights
from orchestrator.trial.context import StudyContext, TrialSpec
from orchestrator.trial.folder import TrialFolder
from orchestrator.trial.request import TrialRequest
from results.db.store import Store
from results.db.tables import Trial
from results.weights import first_with_weights, is_of_one_network

COLUMNS = ("weights_bytes", "weights_seconds")
BYTES_A_PARAMETER = 4  # of a file of weights, which are float32


def provenance_of(context: StudyContext[TrialSpec], request: TrialRequest) -> dict[str, Any] | None:
    """Return what a training's model.json says of where it is from; None if it keeps no weights.

    It names no place of this machine, so that the files can be given away.
    """
    if context.spec.request.kept_weights == "none" or not request.description.keeps_weights:
        return None
    question = context.study.question
    base = {"base": question["subject"]} if "subject" in question else {"model": request.point.get("model")}
    return {
        "study": context.study.name,
        "trial": request.number,
        "purpose": request.purpose,
        "project_commit": provenance.git_commit(),
        **base,
    }


def keep_one_of(row: Trial, context: StudyContext[TrialSpec]) -> None:
    """Keep of the network of `row`, which has just ended, only the weights that stand for it."""
    if context.spec.request.kept_weights == "all":
        return
    rows = [one for one in context.store.trials_with_weights(row.study_id) if is_of_one_network(one, row)]
    standing = first_with_weights(rows, row)
    remove(context.store, [one for one in rows if one is not standing])


def remove(store: Store, rows: Iterable[Trial]) -> list[Trial]:
    """Remove the weights of these trials; return the rows as they are then."""
    without = []
    for row in rows:
        if row.folder is not None:
            TrialFolder(Path(row.folder)).remove_weights()
        without.append(store.forget_weights(row.id))
    return without


def superfluous(rows: Mapping[int, Trial], policy: KeepWeights, formulation: Formulation) -> list[Trial]:
    """Return the trials of a running search whose weights no network that may be named will have.

    rows: all trials of the search by number
    A network that is trained again has the weights of its first repeat. So of one that was trained once they
    matter only if it could be named by that training. Confirmed ones stay until the end: a verdict by the
    model of accuracy may change.
    """
    if policy == "all" or formulation.aim.objectives > 1:  # a repeat may bring any network to the front
        return []
    best = formulation.best(list(rows.values()))
    kept = [row for row in rows.values() if row.weights_bytes is not None]
    return [row for row in kept if not _may_be_named(row, _first_of(row, rows), best, formulation)]


def _may_be_named(row: Trial, first: Trial, best: Trial | None, formulation: Formulation) -> bool:
    """Whether a search may name the network of `row`, whose first training is `first`."""
    if first.purpose != "search" or first.verdict == "confirmed" or first is best:
        return True
    is_repeat, is_start = row is not first, first.point == dict(formulation.start)
    if formulation.aim.minimise is None:
        return is_repeat or is_start
    if first.verdict == "rejected" or not (is_repeat or formulation.passed(first)):
        return False
    is_settled = best is not None and best.verdict == "confirmed"
    return not (is_settled and best is not None and formulation.size(first) > formulation.size(best))


def kept_at_end(rows: Collection[Trial], policy: KeepWeights, named: Collection[int]) -> Iterator[Trial]:
    """Yield the trials whose weights stay after the end of a study, by its policy.

    rows: all trials; named: the numbers of the first trainings of the networks that are named
    """
    by_number = {row.number: row for row in rows}
    for row in by_number.values():
        if row.weights_bytes is None:
            continue
        first = _first_of(row, by_number)
        is_confirmed = policy == "confirmed" and first.verdict == "confirmed"
        is_asked = first.number in named or is_confirmed or first.purpose != "search"
        if policy == "all" or (is_asked and first_with_weights(rows, row) is row):
            yield row


def _first_of(row: Trial, rows: Mapping[int, Trial]) -> Trial:
    """Return the training that `row` repeats, or itself."""
    return rows.get(row.of_trial_number or row.number, row)

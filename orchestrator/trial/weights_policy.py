"""The rules of `--keep-weights`: whose weights a study keeps while it runs, and which stay at its end.

A training is asked to keep its weights before anybody knows whether they will be needed, so those that are
not are removed as the study goes. While it runs, each network has at most the weights of the training that
stands for it (`results.weights`). Files go before their row says so: after a kill in between, the doctor
finds rows without files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.spec import provenance
from orchestrator.spec.formulation import Formulation
from orchestrator.spec.option_types import KeepWeights
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
        "data_fingerprint": request.description.dataset.get("fingerprint"),
        **base,
    }


def keep_one_of(row: Trial, context: StudyContext[TrialSpec]) -> None:
    """Keep of the network of `row`, which has just ended, only the weights that stand for it."""
    if context.spec.request.kept_weights == "all" or row.purpose == "search":  # no other is there yet
        return
    rows = [one for one in context.store.trials_with_weights(row.study_id) if is_of_one_network(one, row)]
    standing = first_with_weights(rows, row)
    remove(context.store, [one for one in rows if one is not standing])


def remove(store: Store, rows: Iterable[Trial]) -> None:
    """Remove the weights of these trials, whose rows then say so."""
    for row in rows:
        if row.folder is not None:
            TrialFolder(Path(row.folder)).remove_weights()
        store.forget_weights(row.id)
        row.weights_bytes = None  # of the caller's copy of the row too


def superfluous(
    rows: Mapping[int, Trial], policy: KeepWeights, formulation: Formulation, best: Trial | None
) -> list[Trial]:
    """Return the trials of a running search whose weights no network that may be named needs.

    rows: all trials of the search by number; best: its winner so far
    A network that is trained again has the weights of its first repeat. So those of its first training
    matter only as long as it could be named by that alone. Confirmed networks keep theirs until the end: a
    verdict by the model of accuracy may change. So do all networks of a search for a Pareto front.
    """
    if policy == "all" or formulation.aim.objectives > 1:
        return []
    kept = [row for row in rows.values() if row.weights_bytes is not None]
    return [row for row in kept if not _may_be_named(row, _first_of(row, rows), formulation, best)]


def _may_be_named(row: Trial, first: Trial, formulation: Formulation, best: Trial | None) -> bool:
    """Whether a search may still name the network of `row`, whose first training is `first`."""
    if first.purpose != "search" or first.verdict == "confirmed" or (best and best.number == first.number):
        return True
    is_repeat = row.number != first.number
    if formulation.aim.minimise is None:
        return is_repeat or first.point == dict(formulation.start)
    if first.verdict == "rejected" or not (is_repeat or formulation.passed(first)):
        return False
    is_settled = best is not None and best.verdict == "confirmed"
    return best is None or not is_settled or formulation.size(first) <= formulation.size(best)


def kept_at_end(rows: Collection[Trial], policy: KeepWeights, named: Collection[int]) -> list[Trial]:
    """Return the trials whose weights stay when a study has ended.

    rows: all trials; named: the numbers of the first trainings of the networks that are named. The base
    network, and each model of a study that searches nothing, count as named.
    """
    if policy == "none":
        return []
    by_number = {row.number: row for row in rows}
    kept = [row for row in rows if row.weights_bytes is not None]

    def is_asked(first: Trial) -> bool:
        is_confirmed = policy == "confirmed" and first.verdict == "confirmed"
        return is_confirmed or first.number in named or first.purpose != "search"

    return [
        row
        for row in kept
        if policy == "all" or (is_asked(_first_of(row, by_number)) and first_with_weights(kept, row) is row)
    ]


def _first_of(row: Trial, rows: Mapping[int, Trial]) -> Trial:
    """Return the training that `row` repeats, or itself."""
    return rows.get(row.of_trial_number or row.number, row)

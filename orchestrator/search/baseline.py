"""Measure the base network. Its mean accuracy gives the required accuracy of the search."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.spec.formulation import accuracy
from orchestrator.spec.study_spec import StudySpec
from orchestrator.trial.context import StudyContext
from orchestrator.trial.outcome import is_open
from orchestrator.trial.runner import Runner
from results.db.tables import Trial

_NO_HOURS = "the device-hours left are not enough to train the base network; give a larger --max-gpu-hours"
_OTHERWISE = "try other hyperparameters or a longer --budget"
_REMEDIES = {  # for running the same command again, by the reason of the failure
    "host_memory": "give a larger --max-memory and run the same command again",
    "timeout": "give a longer --timeout and run the same command again",
    "killed": "fix that and run the same command again",
}


class BaselineFailed(RuntimeError):
    """The base network itself cannot be trained, so the search has no required accuracy."""


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
                f"{_REMEDIES.get(row.reason or '', _OTHERWISE)}"
            )
    return [accuracy(rows[n]) for n in numbers]

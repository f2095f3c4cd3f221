"""Measure the base network. Its mean accuracy gives the required accuracy of the search."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.spec.trial_config import Choices, TrialTemplate
from orchestrator.trainer_client import NetworkInfo, network_key
from orchestrator.trial.outcome import is_open
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.runner import Runner
from results.db.tables import Trial

_NO_HOURS = "the device-hours left are not enough to train the base network; give a larger --max-gpu-hours"
_OTHERWISE = "try other hyperparameters or a longer --budget under another --study"
_REMEDIES = {  # for running the same command again, by the reason of the failure
    "host_memory": "give a larger --max-memory and run the same command again",
    "timeout": "give a longer --timeout and run the same command again",
    "killed": "fix that and run the same command again",
}


class BaselineFailed(RuntimeError):
    """The base network itself cannot be trained, so the search has no required accuracy."""


@dataclass(frozen=True)
class Baseline:
    """Accuracies of the base network under the study's training settings. Repeats differ in images
    and seed.
    """

    accuracies: tuple[float, ...]  # fractions, one per repeat

    @property
    def mean(self) -> float:
        return statistics.fmean(self.accuracies)

    @property
    def std(self) -> float | None:
        """Sample standard deviation; None for a single training."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else None


def measure(
    runner: Runner,
    training: TrialTemplate,
    point: Mapping[str, Any],
    chosen: Choices,
    description: NetworkInfo,
    replicates: int,
    recorded: Sequence[Trial],
) -> Baseline:
    """Train those of trials 1 to `replicates` that `recorded` lacks, and return the accuracies of all.

    `point` and `chosen` are the search's start and its settings: the base network.
    Raise BaselineFailed if a training fails.
    """
    rows = {row.number: row for row in recorded if row.purpose == "baseline"}
    missing = [n for n in range(1, replicates + 1) if n not in rows or rows[n].state != "completed"]
    orders = [_order(n, training, point, chosen, description, rows.get(n)) for n in missing]
    if orders and not runner.limits.affords(len(orders) - 1):
        raise BaselineFailed(_NO_HOURS)
    rows |= {row.number: row for row in runner.run(orders)}
    for row in rows.values():
        if is_open(row):
            raise BaselineFailed(_NO_HOURS)
        if row.state != "completed":
            raise BaselineFailed(
                f"the base network could not be trained (trial {row.number}: {row.reason}, {row.message}); "
                f"{_REMEDIES.get(row.reason or '', _OTHERWISE)}"
            )
    accuracies = [rows[n].val_accuracy for n in range(1, replicates + 1)]
    return Baseline(tuple(a for a in accuracies if a is not None))


def _order(
    number: int,
    training: TrialTemplate,
    point: Mapping[str, Any],
    chosen: Choices,
    description: NetworkInfo,
    row: Trial | None,
) -> TrialRequest:
    config = training.config(chosen, replicate=number - 1)
    key = network_key(description, config)
    return TrialRequest(number, "baseline", dict(point), number - 1, config, description, key, row)

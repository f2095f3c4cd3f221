"""What a plan says of trainings that read many validation images once, at their end.

That may take at most a small share of the budget, or the trainer refuses the training before its first step.
On this machine a plan has the trainer find that out, as nothing can tell it without running the network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.executors import Executor
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.options import RunOptions
from orchestrator.spec.trial_config import TrialTemplate
from orchestrator.study.trainer_job import run_command
from orchestrator.trainer_client import NetworkInfo
from orchestrator.trial import metrics

_SECONDS = 600.0  # in which the images are read, and a few steps and validations timed


def last_validation_lines(
    request: RunOptions,
    network: NetworkInfo,
    training: TrialTemplate,
    config: Mapping[str, Any],
    executor: Executor,
) -> Iterator[str]:
    """Yield what the last validation of a training takes, if it reads more images than learning curves do.

    network, config: of the first training. Raise BadOption if the trainer refuses it.
    """
    if not training.curve_images:
        return
    begin = f"last validation: reads all {training.validation_images} images"
    if request.executor != "local" or not network.checks:
        yield f"{begin}; where that takes over 5% of the budget, the first training says so and ends"
        return
    seconds = _check(request, config, executor)
    share = (
        "" if training.budget.seconds is None else f", {seconds / training.budget.seconds:.1%} of the budget"
    )
    yield f"{begin} in {seconds:.2g} s{share} (measured now; at most 5%)"


def _check(request: RunOptions, config: Mapping[str, Any], executor: Executor) -> float:
    """Return the seconds. Raise BadOption with the trainer's words."""
    with tempfile.TemporaryDirectory(prefix="plan-") as name:
        end, folder = run_command("check", request, config, executor, Path(name), _SECONDS)
        try:
            log = metrics.read(folder.metrics)
        except metrics.MalformedMetrics as error:
            raise BadOption(f"the trainer's check cannot be read: {error}") from error
        if (refusal := log.last("error")) is not None:
            raise BadOption(str(refusal.get("message", "the trainer gives no reason")))
        if end.code != 0:
            said = end.said or metrics.last_line(folder.log)
            raise BadOption(f"the trainer could not check the first training (exit code {end.code}): {said}")
    told = log.last("check") or {}
    try:
        return float(told["last_validation_seconds"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadOption(
            f"the trainer's check {told} cannot be read: {error!r} is wrong or missing"
        ) from error

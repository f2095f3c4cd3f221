"""Check in about ten seconds whether a trainer, or a script, does what a search needs of it.

The start of the search is trained twice with a short budget: once to its end, and once until it is stopped.
Nothing is recorded.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.console import summary
from orchestrator.executors import Executor
from orchestrator.spec.base_training import dataset_of
from orchestrator.spec.search_options import SearchOptions
from orchestrator.spec.study_spec import StudySpec, subject_of
from orchestrator.spec.trial_config import TrialBudget
from orchestrator.study.plan import check_request, open_trainer, store_to_read
from orchestrator.study.trainer_job import run_command
from orchestrator.trainer_client import TrainerBroken
from orchestrator.trial import metrics, outcome

_BUDGET, _STOP_AFTER = 6.0, 2.0  # seconds: of the first training; until the second one is stopped
_ENDS = 120.0  # seconds that importing, and ending after the budget, may take
_LOG_LINES = 20  # of a training that fails, which are shown
_PROMPT = 5.0  # seconds within which a stopped training should have ended


def check_trainer(request: SearchOptions, console: Console) -> None:
    """Print what the trainer does and what it lacks. Raise as `run_study` does, and TrainerBroken."""
    began = time.monotonic()
    with ExitStack() as stack:
        dataset = dataset_of(request, subject_of(request, store_to_read(request, stack)))
        client = stack.enter_context(open_trainer(request, dataset))
        spec, executor = check_request(request, client, stack)
        answered = time.monotonic() - began
        sizes = "a script: no sizes are known" if spec.base.is_script else summary.sizes_text(spec.base)
        summary.say(console, f"ok: describe answers, {answered:.1f} s after the start ({sizes})")
        for line in chain(_train(spec, executor), _stop(spec, executor)):
            summary.say(console, line)
        summary.say(console, "the trainer does what a search needs")


def _train(spec: StudySpec, executor: Executor) -> Iterator[str]:
    """Yield what one training of the start does. Raise TrainerBroken for one without a result."""
    config = _config(spec)
    with tempfile.TemporaryDirectory(prefix="check-") as name:
        end, folder = run_command("train", spec.request, config, executor, Path(name), _BUDGET + _ENDS)
        required = outcome.required_accuracies(config, spec.aim.sought)
        found = outcome.judge(end, folder, required, spec.aim.sought)
        found = outcome.judge_budget(found, config)
        if found.state != "completed":
            place = f"; see {folder.log}"  # which is removed with its folder
            why = (found.message or "").replace(place, "")
            lines = folder.log.read_text(errors="replace").splitlines() if folder.log.exists() else []
            yield from (f"log: {line}" for line in lines[-_LOG_LINES:])
            raise TrainerBroken(f"a training of {_BUDGET:g} s ended as {found.state}: {why}")
        sought = spec.aim.sought
        score = found.columns.get(sought.column)
        reached = sought.text(score) if sought.is_number else f"{score:.4f}"
        yield f"ok: a training has a result, {sought.noun} {reached}"
        if found.message:
            yield f"note: {found.message}; nothing was lost, but a script should end by itself"
        curve = [one["progress"] for one in found.measurements if one["progress"] is not None]
        yield (
            f"ok: {len(found.measurements)} measurements on the way, {len(curve)} with their progress"
            if curve
            else "missing: measurements on the way; without them there are no curves and no early stopping"
        )
        log = metrics.read(folder.metrics, spec.aim.sought)
        yield "ok: it tells its machine" if log.machine_columns else "missing: the event machine"


def _stop(spec: StudySpec, executor: Executor) -> Iterator[str]:
    """Yield what a training does that is stopped."""
    stop = threading.Event()
    stopper = threading.Timer(_STOP_AFTER, stop.set)
    with tempfile.TemporaryDirectory(prefix="check-") as name:
        began = time.monotonic()
        stopper.start()
        end, _ = run_command(
            "train", spec.request, _config(spec), executor, Path(name), _BUDGET + _ENDS, stop
        )
        stopper.cancel()
        took = time.monotonic() - began - _STOP_AFTER
        if end.reason != "stopped":
            yield "not checked: SIGTERM, since a training ends before it would be sent"
        elif took > _PROMPT:
            yield f"slow: it ends {took:.1f} s after SIGTERM; a search waits for that when it is stopped"
        else:
            yield f"ok: it ends {max(0.0, took):.1f} s after SIGTERM"


def _config(spec: StudySpec) -> dict[str, Any]:
    short = replace(spec.training, budget=TrialBudget(seconds=_BUDGET))
    return replace(spec, training=short).config(spec.formulation(None).start)

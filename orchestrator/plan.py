"""Say what a search would cost, and do nothing: no training, no download, no row."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path

from rich.console import Console

from orchestrator import catalogue, executors, summary
from orchestrator.describe import Describer
from orchestrator.display import macs_text
from orchestrator.executors import Executor
from orchestrator.inquiry import Inquiry, inquire
from orchestrator.options import Request
from results.store import Store
from search_spaces import Point

_SAMPLE = 300  # networks described to estimate the share that is screened


def show(request: Request, console: Console) -> None:
    """Print the plan of `request`. Raise as `launch.run` does."""
    with ExitStack() as stack:
        store = None
        if "://" in request.database or Path(request.database).exists():
            store = stack.enter_context(Store(request.database, read_only=True))
        subject = catalogue.find(request.subject, store)
        executor = stack.enter_context(
            closing(executors.load(request.executor).create(request.device, request.slots))
        )
        describer = stack.enter_context(Describer(request.trainer_command, check_data=False))
        inquiry = inquire(request, subject, executor.device, describer)
        for line in _lines(inquiry, executor, describer):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(inquiry: Inquiry, executor: Executor, describer: Describer) -> Iterable[str]:
    request = inquiry.request
    yield f"plan of the study {inquiry.study_name}; nothing is done"
    yield f"network: {inquiry.subject.origin}"
    yield summary.network_text(inquiry)
    yield inquiry.space.table()
    yield f"points in the space: {inquiry.space.size or 'infinitely many'}"
    if request.kind == "nas":
        yield from _networks(inquiry, describer)
    searched = request.trials - inquiry.replicates - inquiry.confirmations
    yield (
        f"trainings: {request.trials} = {inquiry.replicates} of the base network, {searched} of the search, "
        f"{inquiry.confirmations} to confirm the winner"
    )
    yield _cost(inquiry, executor)


def _networks(inquiry: Inquiry, describer: Describer) -> Iterable[str]:
    """Describe a sample of the space: how small networks get, and how many need no training."""
    macs = [describer.describe(_config(inquiry, point)).macs for point in _sample(inquiry)]
    yield (
        f"M MACs: base {macs_text(inquiry.base.macs)}; of {len(macs)} networks looked at, least "
        f"{macs_text(min(macs))}, median {macs_text(int(statistics.median(macs)))}, "
        f"most {macs_text(max(macs))}"
    )
    if inquiry.replicates:
        screened = sum(m >= inquiry.base.macs for m in macs) / len(macs)
        yield f"answered without training (no fewer MACs than the base): {100 * screened:.0f}% of the space"


def _config(inquiry: Inquiry, point: Point) -> dict[str, object]:
    scale, hyperparameters = inquiry.formulation(0.0).choice(point)
    return inquiry.training.config(scale, hyperparameters)


def _sample(inquiry: Inquiry) -> list[Point]:
    space = inquiry.space
    if space.size is not None and space.size <= _SAMPLE:
        return list(space)
    rng = random.Random(inquiry.request.seed)
    return [space.sample(rng) for _ in range(_SAMPLE)]


def _cost(inquiry: Inquiry, executor: Executor) -> str:
    unit, trials = ("GPU" if executor.device == "cuda" else "CPU"), inquiry.request.trials
    seconds = inquiry.training.budget.seconds
    slots = f"{executor.slots} at a time"
    if seconds is None:
        return f"cost: {trials} times {inquiry.training.budget}, {slots}; how long a step takes is not known"
    hours = trials * seconds / 3600
    wall = math.ceil(trials / executor.slots) * seconds / 3600
    return f"cost: {hours:.2f} {unit}-hours of training, {slots}: {wall:.2f} hours and start-ups"

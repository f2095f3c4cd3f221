"""Say what a search would cost, and do nothing: no training, no download, no row."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path

from rich.console import Console

from orchestrator import catalogue, course, summary, warm_start
from orchestrator.describe import Describer
from orchestrator.executors import Executor
from orchestrator.inquiry import Inquiry, inquire
from orchestrator.options import Contract, Request
from orchestrator.training import TrialBudget
from orchestrator.words import macs_text
from results.store import Store
from search_spaces import Point

_SAMPLE = 300  # networks described to estimate the share that is screened


def show(request: Request, console: Console) -> None:
    """Print the plan of `request`. Raise as `launch.run` does."""
    with ExitStack() as stack:
        store = store_to_read(request, stack)
        subject = catalogue.find(request.subject, store)
        executor = stack.enter_context(closing(course.executor(request)))
        describer = stack.enter_context(Describer(request.trainer_command, check_data=False))
        inquiry = warm_start.warmed(inquire(request, subject, executor.device, describer), store)
        for line in _lines(inquiry, executor, describer):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def store_to_read(request: Contract, stack: ExitStack) -> Store | None:
    """Return the record, which is left as it is, open until `stack` closes; None where there is none."""
    if "://" in request.database or Path(request.database).exists():
        return stack.enter_context(Store(request.database, read_only=True))
    return None


def cost_text(trainings: int, budget: TrialBudget, executor: Executor) -> str:
    """Return what so many trainings cost, on one line."""
    unit, slots = ("GPU" if executor.device == "cuda" else "CPU"), f"{executor.slots} at a time"
    if budget.seconds is None:
        return f"cost: {trainings} times {budget}, {slots}; how long a step takes is not known"
    hours = trainings * budget.seconds / 3600
    wall = math.ceil(trainings / executor.slots) * budget.seconds / 3600
    return f"cost: {hours:.2f} {unit}-hours of training, {slots}: {wall:.2f} hours and start-ups"


def _lines(inquiry: Inquiry, executor: Executor, describer: Describer) -> Iterable[str]:
    request = inquiry.request
    yield f"plan of the study {inquiry.study_name}; nothing is done"
    yield f"network: {inquiry.subject.origin}"
    yield summary.network_text(inquiry)
    yield inquiry.space.table()
    yield from warm_start.told(inquiry)
    yield f"points in the space: {inquiry.space.size or 'infinitely many'}"
    if request.kind == "nas":
        yield from _networks(inquiry, describer)
    elif inquiry.named and inquiry.named.most_parameters is not None:
        yield _over_the_limit(inquiry, describer, inquiry.named.most_parameters)
    searched = request.trials - inquiry.replicates
    confirming = f", up to {request.confirm} of them for each that passes" if request.kind == "nas" else ""
    yield (
        f"trainings: {request.trials} = {inquiry.replicates} of the base network, {searched} of the search"
        f"{confirming}"
    )
    if request.early_stop != 0:
        yield "a hopeless training is stopped early and costs the share of it that was used (--early-stop)"
    yield cost_text(request.trials, inquiry.training.budget, executor)


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


def _over_the_limit(inquiry: Inquiry, describer: Describer, limit: int) -> str:
    """Describe a sample of the space: how much of it needs no training."""
    counts = [describer.describe(_config(inquiry, point)).parameters for point in _sample(inquiry)]
    share = sum(count > limit for count in counts) / len(counts)
    return f"answered without training (more than {limit} parameters): {100 * share:.0f}% of the space"


def _config(inquiry: Inquiry, point: Point) -> dict[str, object]:
    return inquiry.training.config(inquiry.formulation(0.0).choice(point))


def _sample(inquiry: Inquiry) -> list[Point]:
    space = inquiry.space
    if space.size is not None and space.size <= _SAMPLE:
        return list(space)
    rng = random.Random(inquiry.request.seed)
    return [space.sample(rng) for _ in range(_SAMPLE)]

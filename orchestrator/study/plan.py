"""Say what a search would cost, and do nothing: no training, no download, no row."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path

from rich.console import Console

from orchestrator.console import summary
from orchestrator.console.format import accuracy_text
from orchestrator.executors import Executor
from orchestrator.search import budget, final_selection
from orchestrator.spec import base_model, feasibility, warm_start
from orchestrator.spec.objective import SIZES, UNITS, number_text, size
from orchestrator.spec.options import Contract, Request
from orchestrator.spec.settled import subject_of
from orchestrator.spec.study_spec import Inquiry, inquire
from orchestrator.spec.trial_config import TrialBudget
from orchestrator.study import checks, session
from orchestrator.trainer_client import Describer
from results.store import Store


def show(request: Request, console: Console) -> None:
    """Print the plan of `request`. Raise as `launch.run` does."""
    with ExitStack() as stack:
        describer = stack.enter_context(
            Describer(request.trainer_command, request.limits.memory_bytes, check_data=False)
        )
        inquiry, executor = checked(request, describer, stack)
        for line in _lines(inquiry, executor, describer):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def checked(request: Request, describer: Describer, stack: ExitStack) -> tuple[Inquiry, Executor]:
    """Return what a search would begin with, if it would begin. Raise as `launch.run` does.

    Nothing is trained, written or downloaded; the request must be one for a plan.
    """
    store = store_to_read(request, stack)
    subject = subject_of(request, store)
    executor = stack.enter_context(closing(session.executor(request)))
    inquiry = inquire(request, subject, executor.device, describer)
    return checks.asked(inquiry, store, executor.slots, describer).inquiry, executor


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
    yield from base_model.told(inquiry.subject, request.kind)
    yield summary.network_text(inquiry)
    yield from summary.data_lines(inquiry.base, summary.drawn(request))
    yield inquiry.space.table()
    yield from warm_start.told(inquiry)
    yield f"points in the space: {inquiry.space.size or 'infinitely many'}"
    yield f"sought: {inquiry.aim}{_bound_text(inquiry)}"
    yield from _networks(inquiry, describer)
    whole = budget.asked(request, inquiry.training.budget, executor.device)
    searched = final_selection.searched(whole, request, ()).trials - inquiry.replicates
    confirming = f", up to {request.confirm} of them for each that passes" if inquiry.aim.needs_bound else ""
    if searched < request.trials - inquiry.replicates:
        whose = "the networks of the front" if inquiry.aim.objectives > 1 else "the start and the leaders"
        confirming = f", {request.trials - searched} kept back to train {whose} again"
    yield (
        f"trainings: {request.trials} = {inquiry.replicates} of the base network, {searched} of the search"
        f"{confirming}"
    )
    if request.early_stop != 0:
        yield "a hopeless training is stopped early and costs the share of it that was used (--early-stop)"
    yield cost_text(request.trials, inquiry.training.budget, executor)
    yield from _hours(whole)


def _hours(whole: budget.Budget) -> Iterable[str]:
    """Say what the hours come to that the user bounds, if they are."""
    if whole.slot_hours is None:
        return
    most = f"not begun beyond {whole.slot_hours:g} {whole.unit}-hours, failed trainings included"
    enough = whole.trainings_by_hours(())
    if enough is None:
        yield f"trainings are {most}"
    elif enough < whole.trials:
        yield f"trainings are {most}: enough for {enough} of them at most"
    else:
        yield f"trainings are {most}: enough for all"


def _bound_text(inquiry: Inquiry) -> str:
    if inquiry.request.min_accuracy is not None:
        return f", at an accuracy of at least {accuracy_text(inquiry.request.min_accuracy)}"
    if not inquiry.replicates:
        return ""
    less = f" less {100 * inquiry.request.tolerance:g} points" if inquiry.request.tolerance else ""
    return f", at an accuracy of at least the base network's{less}"


def _networks(inquiry: Inquiry, describer: Describer) -> Iterable[str]:
    """Describe a sample of the space: how small networks get, and how many need no training."""
    names = [name for name in SIZES if name in (inquiry.aim.minimise, *inquiry.aim.limits)]
    known = [name for name in names if name != "latency"]
    networks = feasibility.sample(inquiry, describer) if known else []
    for name in known:
        amounts = sorted(size(network, name) for network in networks)
        yield (
            f"{UNITS[name]}: base {number_text(size(inquiry.first, name), name)}; of {len(amounts)} networks "
            f"looked at, least {number_text(amounts[0], name)}, median "
            f"{number_text(statistics.median(amounts), name)}, most {number_text(amounts[-1], name)}"
        )
    for name, most in inquiry.aim.limits.items():
        if name in known:
            share = sum(size(network, name) > most for network in networks) / len(networks)
            yield _screened_text(f"more than {most} {_plain(name)}", share)
    name = inquiry.aim.minimise or ""
    if inquiry.replicates and name in known:
        share = sum(size(n, name) >= size(inquiry.first, name) for n in networks) / len(networks)
        yield _screened_text(f"no fewer {_plain(name)} than the base", share)
    if inquiry.aim.needs_latency:
        yield "latency is measured as the search goes, so how many networks are too slow is not known"


def _plain(name: str) -> str:
    return UNITS[name].removeprefix("M ")


def _screened_text(why: str, share: float) -> str:
    return f"answered without training ({why}): {100 * share:.0f}% of the space"

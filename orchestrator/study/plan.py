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
from orchestrator.spec import base_model, feasibility
from orchestrator.spec.objective import SIZES, UNITS, number_text, size
from orchestrator.spec.options import RunOptions, SearchOptions
from orchestrator.spec.study_spec import StudySpec, resolve_spec, subject_of
from orchestrator.spec.trial_config import TrialBudget
from orchestrator.study import checks, session
from orchestrator.trainer_client import TrainerClient
from results.db.store import Store


def show_plan(request: SearchOptions, console: Console) -> None:
    """Print the plan of `request`. Raise as `launch.run` does."""
    with ExitStack() as stack:
        trainer_client = stack.enter_context(
            TrainerClient(request.trainer_command, request.limits.memory_bytes, check_data=False)
        )
        spec, executor = checked(request, trainer_client, stack)
        for line in _lines(spec, executor, trainer_client):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def checked(
    request: SearchOptions, trainer_client: TrainerClient, stack: ExitStack
) -> tuple[StudySpec, Executor]:
    """Return what a search would begin with, if it would begin. Raise as `launch.run` does.

    Nothing is trained, written or downloaded; the request must be one for a plan.
    """
    store = store_to_read(request, stack)
    subject = subject_of(request, store)
    executor = stack.enter_context(closing(session.executor(request)))
    spec = resolve_spec(request, subject, executor.device, trainer_client)
    return checks.check_study(spec, store, executor.slots, trainer_client).spec, executor


def store_to_read(request: RunOptions, stack: ExitStack) -> Store | None:
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


def _lines(spec: StudySpec, executor: Executor, trainer_client: TrainerClient) -> Iterable[str]:
    request = spec.request
    yield f"plan of the study {spec.study_name}; nothing is done"
    yield f"network: {spec.subject.origin}"
    yield from base_model.same_name_lines(spec.subject, request.kind)
    yield summary.network_text(spec)
    yield from summary.data_lines(spec.base, summary.drawn(request))
    yield spec.space.table()
    yield from summary.warm_start_lines(spec)
    yield f"points in the space: {spec.space.size or 'infinitely many'}"
    yield f"sought: {spec.aim}{_bound_text(spec)}"
    yield from _networks(spec, trainer_client)
    whole = budget.study_budget(request, spec.training.budget, executor.device)
    searched = final_selection.search_budget(whole, request, ()).trials - spec.replicates
    confirming = f", up to {request.confirm} of them for each that passes" if spec.aim.needs_bound else ""
    if searched < request.trials - spec.replicates:
        whose = "the networks of the front" if spec.aim.objectives > 1 else "the start and the leaders"
        confirming = f", {request.trials - searched} kept back to train {whose} again"
    yield (
        f"trainings: {request.trials} = {spec.replicates} of the base network, {searched} of the search"
        f"{confirming}"
    )
    if request.early_stop != 0:
        yield "a hopeless training is stopped early and costs the share of it that was used (--early-stop)"
    yield cost_text(request.trials, spec.training.budget, executor)
    yield from _hours(whole)


def _hours(whole: budget.StudyBudget) -> Iterable[str]:
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


def _bound_text(spec: StudySpec) -> str:
    if spec.request.min_accuracy is not None:
        return f", at an accuracy of at least {accuracy_text(spec.request.min_accuracy)}"
    if not spec.replicates:
        return ""
    less = f" less {100 * spec.request.tolerance:g} points" if spec.request.tolerance else ""
    return f", at an accuracy of at least the base network's{less}"


def _networks(spec: StudySpec, trainer_client: TrainerClient) -> Iterable[str]:
    """Describe a sample of the space: how small networks get, and how many need no training."""
    names = [name for name in SIZES if name in (spec.aim.minimise, *spec.aim.limits)]
    known = [name for name in names if name != "latency"]
    networks = feasibility.sample_networks(spec, trainer_client) if known else []
    for name in known:
        amounts = sorted(size(network, name) for network in networks)
        yield (
            f"{UNITS[name]}: base {number_text(size(spec.first, name), name)}; of {len(amounts)} networks "
            f"looked at, least {number_text(amounts[0], name)}, median "
            f"{number_text(statistics.median(amounts), name)}, most {number_text(amounts[-1], name)}"
        )
    for name, most in spec.aim.limits.items():
        if name in known:
            share = sum(size(network, name) > most for network in networks) / len(networks)
            yield _screened_text(f"more than {most} {_plain(name)}", share)
    name = spec.aim.minimise or ""
    if spec.replicates and name in known:
        share = sum(size(n, name) >= size(spec.first, name) for n in networks) / len(networks)
        yield _screened_text(f"no fewer {_plain(name)} than the base", share)
    if spec.aim.needs_latency:
        yield "latency is measured as the search goes, so how many networks are too slow is not known"


def _plain(name: str) -> str:
    return UNITS[name].removeprefix("M ")


def _screened_text(why: str, share: float) -> str:
    return f"answered without training ({why}): {100 * share:.0f}% of the space"

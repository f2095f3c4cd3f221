"""Show what a search would cost, without training, downloading or recording anything.

Images that are given by their path are read, so that a plan is refused for what the search would refuse.
Where trainings read many validation images at their end, a few steps are taken and timed, and thrown away.
"""

from __future__ import annotations

import math
import shlex
import shutil
import statistics
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from orchestrator.console import summary
from orchestrator.console.format import accuracy_text
from orchestrator.executors import Executor
from orchestrator.search.budget import search_budget, study_budget
from orchestrator.spec import feasibility
from orchestrator.spec.base_training import dataset_of, has_path
from orchestrator.spec.objective import amount_of
from orchestrator.spec.options import RunOptions
from orchestrator.spec.search_options import SearchOptions
from orchestrator.spec.study_spec import StudySpec, subject_of
from orchestrator.spec.trial_config import TrialBudget
from orchestrator.study import checks, session
from orchestrator.study.last_validation import last_validation_lines
from orchestrator.trainer_client import NetworkInfo, TrainerClient
from orchestrator.trial.weights_policy import BYTES_A_PARAMETER
from results.db.store import Store
from results.format import quantity, size_text

_PLAN_OF = "plan of the study "


def show_plan(request: SearchOptions, console: Console) -> None:
    """Print the plan of `request`. Raise as `run_study` does."""
    with ExitStack() as stack:
        dataset = dataset_of(request, subject_of(request, store_to_read(request, stack)))
        trainer_client = stack.enter_context(open_trainer(request, dataset))
        spec, executor = check_request(request, trainer_client, stack)
        for line in _lines(spec, executor, trainer_client):
            summary.say(console, line)


def study_of(line: str) -> str:
    """Return the study's name from the first line of a plan."""
    return line.removeprefix(_PLAN_OF).partition(";")[0]


def check_request(
    request: SearchOptions, trainer_client: TrainerClient, stack: ExitStack
) -> tuple[StudySpec, Executor]:
    """Return the study and the executor with which a search would start. Raise as `run_study` does.

    Nothing is trained, written or downloaded; the request must be one for a plan.
    """
    store = store_to_read(request, stack)
    executor = stack.enter_context(closing(session.open_executor(request)))
    spec = checks.resolve_study(request, store, executor, trainer_client)
    checked = checks.check_study(spec, store, executor.slots, trainer_client)
    anew = (checks.anew_text(checked.replaced),) if checked.replaced else ()
    return replace(checked.spec, notes=(*spec.notes, *anew)), executor


def open_trainer(request: RunOptions, dataset: str) -> TrainerClient:
    """Return a trainer that reads all images of the data set, unless it might download them."""
    is_here = has_path(dataset)
    return TrainerClient(request.trainer_command, request.limits.memory_bytes, check_data=is_here)


def store_to_read(request: RunOptions, stack: ExitStack) -> Store | None:
    """Return the database, open read-only until `stack` closes; None if there is none."""
    if "://" in request.database or Path(request.database).exists():
        return stack.enter_context(Store(request.database, read_only=True))
    return None


def cost_text(trainings: int, budget: TrialBudget, executor: Executor) -> str:
    """Return the cost of so many trainings, on one line."""
    slots = f"{executor.slots} at a time"
    if budget.seconds is None:
        return f"cost: {trainings} times {budget}, {slots}; the time per step is not known"
    hours = trainings * budget.seconds / 3600
    wall = math.ceil(trainings / executor.slots) * budget.seconds / 3600
    return f"cost: {hours:.2f} device-hours of training, {slots}: {wall:.2f} hours plus start-up times"


def weights_text(request: RunOptions, network: NetworkInfo, most: int, stay: str) -> str:
    """Return what the weights that a study keeps take on the disk, on one line.

    network: the first that is trained; most: the networks that may have weights at one time; stay: how many
    do at the end
    """
    policy, size = request.kept_weights, BYTES_A_PARAMETER * network.parameters
    if policy == "none" or not network.keeps_weights:
        why = "--keep-weights none" if network.keeps_weights else "this trainer does not keep any"
        return f"weights: none are kept ({why})"
    return (
        f"weights (--keep-weights {policy}): {BYTES_A_PARAMETER} bytes a parameter, so {size_text(size)} for "
        f"the first network; while it runs, those of at most {quantity(most, 'training')} "
        f"({size_text(most * size)} at that size); {stay} at the end"
    )


def _lines(spec: StudySpec, executor: Executor, trainer_client: TrainerClient) -> Iterable[str]:
    request = spec.request
    yield f"{_PLAN_OF}{spec.study_name}; nothing is started"
    yield from summary.network_lines(spec)
    yield from _missing_lines(spec, executor)
    yield from summary.image_lines(spec.base, spec.training)
    config = spec.config(spec.formulation(None).start)
    yield from last_validation_lines(request, spec.first, spec.training, config, executor)
    yield spec.space.table()
    yield from summary.warm_start_lines(spec)
    yield f"candidates in the space: {spec.space.size or 'infinitely many'}"
    yield f"goal: {spec.aim}{_requirement_text(spec)}"
    yield from _networks(spec, trainer_client)
    whole = study_budget(spec)
    searched = search_budget(whole, request, ()).trials - spec.replicates
    confirming = f", up to {request.confirm} repeats per candidate included" if spec.aim.needs_bound else ""
    if searched < request.trials - spec.replicates:
        whose = "the Pareto front" if spec.aim.objectives > 1 else "the start and the best candidates"
        confirming = f", {request.trials - searched} reserved to retrain {whose}"
    yield (
        f"trainings: {request.trials} = {spec.replicates} of the base network, {searched} of the search"
        f"{confirming}"
    )
    stopping = checks.pruner_of(request, None)
    if stopping.stops:
        yield (
            f"early stopping ({stopping.pruner}): a stopped training counts by the fraction of its "
            "budget that it used"
        )
    yield cost_text(request.trials, spec.training.budget, executor)
    yield _weights_text(spec)
    yield from summary.demo_lines(request)
    if whole.slot_hours is not None:
        enough, text = whole.count_by_hours(()), ""
        if enough is not None:
            text = f"{quantity(enough, 'training')} at most" if enough < whole.trials else "all trainings"
            text = f": enough for {text}"
        yield f"limit: {whole.slot_hours:g} device-hours, failed trainings included{text}"


def _missing_lines(spec: StudySpec, executor: Executor) -> Iterator[str]:
    """Yield a warning if a script's program or Python file is not on this machine, where it is to run."""
    if not spec.base.is_script or executor.name != "local":
        return
    program, *others = shlex.split(spec.request.trainer or "")
    files = [word for word in others if word.endswith(".py") and not Path(word).is_file()]
    for missing in [*([] if shutil.which(program) else [program]), *files]:
        yield f"  warning: there is no {missing} on this machine, so trainings will fail; correct --trainer"


def _weights_text(spec: StudySpec) -> str:
    """Return the line about the weights of a search, which trains its base network several times."""
    request = spec.request
    networks = request.trials - max(0, spec.replicates - 1)
    named = "those of the Pareto front" if spec.aim.objectives > 1 else "that of the network found"
    stay = {
        "all": f"all {request.trials} stay",
        "confirmed": f"{named}, of the base and of every confirmed network stay",
    }.get(request.kept_weights, f"{named} and of the base stay")
    most = request.trials if request.kept_weights == "all" else networks
    return weights_text(request, spec.first, most, stay)


def _requirement_text(spec: StudySpec) -> str:
    if spec.request.min_accuracy is not None:
        return f"{_at_least(spec)} {accuracy_text(spec.request.min_accuracy)}"
    if not spec.replicates:
        return ""
    less = f" minus {quantity(100 * spec.request.tolerance, 'point')}" if spec.request.tolerance else ""
    return f"{_at_least(spec)} the base network's{less}"


def _at_least(spec: StudySpec) -> str:
    noun = spec.aim.sought.noun
    return f", at {'an' if noun[0] in 'aeiou' else 'a'} {noun} of at least"


def _networks(spec: StudySpec, trainer_client: TrainerClient) -> Iterable[str]:
    """Describe a sample of the space: how small networks get, and how many would be skipped."""
    known = [metric for metric in spec.aim.metrics if amount_of(spec.first, metric) is not None]
    networks = feasibility.sample_networks(spec, trainer_client) if known else []
    amounts = {metric.name: [amount_of(network, metric) or 0 for network in networks] for metric in known}
    for metric in known:
        sample = amounts[metric.name]
        yield (
            f"{metric.unit}: base {metric.number(amount_of(spec.first, metric))}; in a sample of "
            f"{len(sample)} networks {metric.number(min(sample))} to {metric.number(max(sample))}, median "
            f"{metric.number(statistics.median(sample))}"
        )
    for metric in known:
        if metric.name in spec.aim.limits:
            limit = spec.aim.limits[metric.name]
            share = sum(amount > limit for amount in amounts[metric.name]) / len(networks)
            yield _skipped_text(f"more than {limit} {metric.noun}", share)
        if spec.replicates and metric.name == spec.aim.minimise:
            base = amount_of(spec.first, metric) or 0
            share = sum(amount >= base for amount in amounts[metric.name]) / len(networks)
            yield _skipped_text("not smaller than the base", share)
    for metric in spec.aim.metrics:
        if metric.known == "after":
            yield f"{metric.noun} is known only after a training, so no candidate is skipped for it"
        elif metric not in known:
            yield f"{metric.noun} is measured during the search, so how many are skipped is not known"


def _skipped_text(why: str, share: float) -> str:
    return f"skipped before training ({why}): {100 * share:.0f}% of the space"

"""Run a study from a request: open what it needs, measure the base, search, confirm, save the winner."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from rich.console import Console

from orchestrator.console import progress, summary
from orchestrator.console.progress import ReporterFactory
from orchestrator.executors import Executor
from orchestrator.search import baseline, final_selection
from orchestrator.search.budget import study_budget
from orchestrator.search.common_failure import RETRY, find_common_failure
from orchestrator.search.context import SearchContext, TrialHistory
from orchestrator.search.loop import SAVED_ENOUGH, SearchLoop
from orchestrator.search.solver_session import RESTART, Incarnation, SolverSession, read_incarnation
from orchestrator.solvers import SolverProcess
from orchestrator.spec import feasibility, provenance
from orchestrator.spec.search_options import SearchOptions
from orchestrator.spec.study_spec import StudySpec
from orchestrator.study import checks, latencies, save_models, session
from orchestrator.study.checks import CheckedStudy
from orchestrator.study.finish_weights import finish_weights
from orchestrator.trainer_client import TrainerClient
from orchestrator.trial.context import ProgressReporter, StudyContext
from orchestrator.trial.folder import study_folder
from orchestrator.trial.latency import LatencyProfiler, WorkerLatency
from orchestrator.trial.latency_command import CommandLatency
from orchestrator.trial.outcome import is_open
from orchestrator.trial.runner import Runner
from results import file_names
from results.analysis.difference import least_confirmed
from results.analysis.posterior import VerdictSettings
from results.db.search_queue import SearchQueue
from results.db.store import Store
from results.db.tables import Study, Trial
from results.metrics import METRICS
from search_spaces import Point


def run_study(
    request: SearchOptions,
    console: Console,
    stop: threading.Event,
    show: ReporterFactory = progress.open_reporter,
) -> str:
    """Run the study of `request` to its end, or until `stop` is set: then raise Stopped. Return its name.

    Raise BadOption, TrainerRefused, StoreError, ExecutorError, BaselineFailed, TrainingsFailed,
    SolverFailed, NotReproducible or TrainerBroken. Trials that have ended by then are in the database.
    """
    with ExitStack() as stack:
        store = stack.enter_context(SearchQueue(request.database))
        executor = stack.enter_context(closing(session.open_executor(request)))
        trainer = stack.enter_context(
            TrainerClient(request.trainer_command, request.limits.memory_bytes, stop=stop)
        )
        spec = checks.resolve_study(request, store, executor, trainer)
        stack.enter_context(store.lock_study(spec.study_name))
        checked = checks.check_study(spec, store, executor.slots, trainer)
        spec, recorded = checked.spec, checked.recorded
        if recorded and _is_answered(spec, store, recorded):
            summary.say_opening(console, spec, executor, recorded, store.trials(recorded.id))
            if request.keep_weights:
                silent = ProgressReporter()
                context = StudyContext(store, recorded, spec, trainer, executor, silent, stop)
                summary.say(console, *finish_weights(context))
        else:
            reached = tuple(feasibility.limit_lines(spec, trainer))
            study = _open_study(checked, store, executor, console)
            rows = store.trials(study.id)
            summary.say_opening(console, spec, executor, study, rows)
            summary.say(console, *reached)
            meter = progress.start_meter(study, spec.training.budget.seconds, executor.slots, rows)
            title = f"{study.name}: {request.kind}-search of {request.subject}"
            with session.telling_end(request, store, study.name, console, stop):
                with (
                    session.record_end(store, study, console, recorded),
                    closing(show(console, meter, title, spec.start, spec.aim)) as reporter,
                ):
                    context = StudyContext(store, study, spec, trainer, executor, reporter, stop)
                    message = _search(_with_latency(context, rows), rows)
                store.end_study(study.id, "finished", message)
        summary.say_closing(console, store, spec)
        return spec.study_name


def _is_answered(spec: StudySpec, store: Store, recorded: Study) -> bool:
    """Whether the study has already finished with this request's budgets."""
    saved = {model.name for model in store.models() if model.study_id == recorded.id}
    return (
        recorded.state == "finished"
        and recorded.budget_trials == spec.request.trials
        and recorded.budget_slot_hours == spec.request.max_gpu_hours
        and not _has_saved_enough(store, recorded)
        and all(save_models.saves(spec, name) for name in saved)
    )


def _has_saved_enough(store: Store, recorded: Study) -> bool:
    """Whether --until-saving ended the latest run of a study, which then goes on as far as this one says."""
    kinds = [event.kind for event in store.events(recorded.id) if event.kind in ("resumed", SAVED_ENOUGH)]
    return kinds[-1:] == [SAVED_ENOUGH]


def _open_study(checked: CheckedStudy, store: SearchQueue, executor: Executor, console: Console) -> Study:
    """Start the study in the database, or take it up, and keep its request."""
    spec, request = checked.spec, checked.spec.request
    checks.claim_folder(study_folder(request.runs, spec.study_name), store.url)
    if checked.replaced:
        session.put_aside(store, checked.replaced, request.runs, console)
    study = store.open_study(
        spec.study_name,
        request.kind,
        checked.question,
        request.trials,
        provenance.versions(session.VERSIONS),
        provenance.git_commit(),
        executor.slots,
        request.max_gpu_hours,
        anew=checked.replaced is not None,
    )
    store.remember(study.name, request.kind, request.subject, spec.repeatable())
    return study


def _with_latency(context: StudyContext[StudySpec], rows: Sequence[Trial]) -> StudyContext[StudySpec]:
    """Return the context in which the latency of networks is measured too, if the search needs it."""
    spec = context.spec
    if METRICS["latency"] not in spec.aim.metrics:
        return context
    start = spec.config(spec.formulation(None).start)
    shared = (spec.request, context.folder, context.stop)
    if spec.request.latency_command is None:
        profiler = LatencyProfiler(context.trainer, WorkerLatency(context.executor, *shared).measure)
    else:
        command = CommandLatency(start, *shared, context.reporter.note)
        profiler = LatencyProfiler(context.trainer, command.measure)
    profiler.remember(rows)
    first = profiler.describe(start)
    return replace(context, trainer=profiler, spec=replace(spec, first=first))


def _search(context: StudyContext[StudySpec], rows: Sequence[Trial]) -> str:
    """Measure the base, search and save what was found; return a text that says why the search ended.

    rows: the study's trials at the start of this run
    """
    spec, store, study_id = context.spec, context.store, context.study.id
    budget = study_budget(spec)
    runner = Runner(context, lambda others: budget.covers_retry(others, store.trials(study_id)))
    bound, mean = _require_accuracy(context, runner, rows)
    known = {row.number: row for row in store.trials(study_id)}
    formulation = spec.formulation(bound, known.get(1))
    history = TrialHistory(known.values(), formulation)
    search = SearchContext(**vars(context), formulation=formulation, runner=runner, history=history)
    with closing(_open_solver(search)) as solver:
        loop = SearchLoop(search, solver, mean)
        message = loop.run()
        if spec.aim.objectives > 1:
            final_selection.confirm_front(search, loop.next_number)
            save_models.save_front(search)
        elif loop.confirmation is not None:
            save_models.save(search, loop.confirmation.winner())
        else:
            save_models.save(search, final_selection.select_winner(search, loop.next_number))
    latencies.measure(search)
    for line in finish_weights(context):  # which writes the latencies, too
        context.reporter.note(line)
    return message + final_selection.retrained_text(search)


def _require_accuracy(
    context: StudyContext[StudySpec], runner: Runner, rows: Sequence[Trial]
) -> tuple[float | None, float | None]:
    """Return the required accuracy and the base network's mean; None for what the study does not have."""
    spec, store, study_id = context.spec, context.store, context.study.id
    least = spec.request.min_accuracy
    if not spec.replicates:
        if least is not None:
            store.set_bound(study_id, min_accuracy=least, baseline_replicates=0)
        return least, None
    accuracies = baseline.measure(context, runner, rows)
    mean, count = statistics.fmean(accuracies), len(accuracies)
    std = statistics.stdev(accuracies) if count > 1 else None
    bound = mean - spec.request.tolerance
    known = {"baseline_accuracy": mean, "baseline_std": std, "baseline_replicates": count}
    store.set_bound(study_id, min_accuracy=bound, **known)
    sought = spec.aim.sought
    context.reporter.note(
        sought.reword(summary.required_accuracy_text(mean, std, count, spec.request.tolerance))
    )
    settings, most = VerdictSettings.read(context.study.question), spec.request.confirm
    if settings.compares_with_base and most:
        images = settings.images or spec.training.validation_images
        least = least_confirmed(accuracies, images, settings, most)
        if least > settings.tolerance:
            drawn = spec.training.validation_images
            context.reporter.note(sought.reword(summary.resolution_text(least, drawn, most)))
    baseline.refuse_chance(context, rows)
    return bound, mean


def _open_solver(search: SearchContext) -> SolverSession:
    """Start the solver, as it was after its last recorded restart."""
    store, study, spec = search.store, search.study, search.spec
    asked = study.question["solver"]
    problem = spec.problem(search.formulation, asked["block"], asked.get("version", 1))
    problem = search.sizes.add_to(problem)

    def find_best() -> Point:
        best = search.history.best
        return problem.space.point(best.point) if best and best.point else problem.start

    def record(incarnation: Incarnation, why: str) -> None:
        store.note(study.id, RESTART, incarnation.to_json(why))
        seed = incarnation.problem.seed
        search.reporter.note(f"the solver died twice at the same point; restarting it with seed {seed}")

    def start(incarnation: Incarnation) -> SolverProcess:
        asked = search.add_goal(incarnation.problem, incarnation.first)
        return SolverProcess(spec.request.solver, asked, log=search.folder / file_names.SOLVER_LOG)

    restarts = [event.detail for event in store.events(study.id) if event.kind in (RESTART, RETRY)]
    resumed = _retry_failures(search, read_incarnation(problem, spec.replicates + 1, restarts))
    return SolverSession(start, resumed, find_best, record)


def _retry_failures(search: SearchContext, resumed: Incarnation) -> Incarnation:
    """Return the incarnation of the solver that goes on: a new one if a common failure ended the search."""
    store, history = search.store, search.history
    rows = history.rows.values()
    failed = find_common_failure(rows, resumed.first, bool(search.spec.replicates))
    if failed and not any(map(is_open, rows)):
        resumed = replace(resumed, first=max(history.rows) + 1)
        why = f"the first trainings all failed ({failed[0].reason})"
        store.note(search.study.id, RETRY, resumed.to_json(why))
        search.reporter.note(f"{why}; the search begins again with trial {resumed.first}")
    retried = [event.detail["first"] for event in store.events(search.study.id) if event.kind == RETRY]
    history.retry_failures(max(retried, default=0))
    return resumed

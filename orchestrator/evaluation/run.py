"""Train models with recipes run by run, as a study; nas-evaluate then ranks them.

The study's only state is its trials' rows. The same command trains what is missing, and a larger `--runs`
adds to it. A failed run is a result and is not repeated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.console import progress, summary
from orchestrator.console.progress import ReporterFactory
from orchestrator.evaluation.options import EvaluationOptions, RepeatedOptions
from orchestrator.evaluation.pairs import (
    PairsSpec,
    count_text,
    find_dataset,
    find_replaced,
    list_missing,
    list_requests,
    resolve_spec,
)
from orchestrator.executors import Executor
from orchestrator.spec import base_model, provenance
from orchestrator.spec.names import check_name
from orchestrator.study import checks, session
from orchestrator.study.finish_weights import describe_models, finish_weights
from orchestrator.study.last_validation import last_validation_lines
from orchestrator.study.plan import cost_text, open_trainer, store_to_read, weights_text
from orchestrator.trainer_client import TrainerClient
from orchestrator.trial.context import StudyContext
from orchestrator.trial.folder import study_folder
from orchestrator.trial.runner import Runner
from results import terminal
from results.db import connection
from results.db.rows import refuse_another_question
from results.db.store import Store
from results.db.tables import Study, Trial
from results.db.transactions import patient
from results.format import quantity

if TYPE_CHECKING:
    import pandas as pd


def run_evaluation(
    request: EvaluationOptions,
    console: Console,
    stop: threading.Event,
    show: ReporterFactory = progress.open_reporter,
) -> str:
    """Run the evaluation of `request` to its end, and print the ranking. As `run_pairs`."""

    def rank(study: Study, store: Store) -> None:
        from results import export

        ranked = tell_ranking(request, study, console)
        if request.csv is not None:
            export.write_csv(ranked, request.csv)
            summary.say(console, f"written to {request.csv}")
        again = f"nas-results evaluation {study.name}{summary.database_text(request)}"
        summary.say(console, f"show this table again: {again}")
        best = {name: ranked[name].iloc[0] for name in ("model", "recipe")}
        rows = store.trials(study.id)
        trained = next((row for row in rows if row.point == best and row.weights_bytes is not None), None)
        if trained is not None:
            name = f"{study.name}:{trained.number}"
            summary.say(console, *summary.weights_lines(request, name, trained))

    return run_pairs(request, console, stop, show, rank)


def run_pairs(
    request: RepeatedOptions,
    console: Console,
    stop: threading.Event,
    show: ReporterFactory,
    close: Callable[[Study, Store], None],
    save: Callable[[StudyContext[PairsSpec]], None] = lambda context: None,
) -> str:
    """Train all pairs of `request` run by run, or until `stop` is set: then raise Stopped.

    close: prints what was found, once the study has ended. save: records what is named, before that.
    Return the study's name.
    Raise BadOption, TrainerRefused, StoreError, ExecutorError or TrainerBroken. Trials that have ended by
    then are in the database.
    """
    with ExitStack() as stack:
        store = stack.enter_context(Store(request.database))
        executor = stack.enter_context(closing(session.open_executor(request)))
        trainer = stack.enter_context(
            TrainerClient(request.trainer_command, request.limits.memory_bytes, stop=stop)
        )
        spec = resolve_spec(request, store, executor.device, trainer)
        _check_folder(spec)
        stack.enter_context(store.lock_study(spec.study_name))
        study, recorded = _open_study(spec, store, executor.slots, console)
        rows = store.trials(study.id)
        summary.say(console, *_opening(spec, executor, study, rows))
        meter = progress.start_meter(study, spec.pairs[0].training.budget.seconds, executor.slots, rows)
        title = f"{study.name}: {quantity(len(spec.pairs), 'pair')}"
        with session.telling_end(request, store, study.name, console, stop):
            with (
                session.record_end(store, study, console, recorded),
                closing(show(console, meter, title)) as reporter,
            ):
                context = StudyContext(store, study, spec, trainer, executor, reporter, stop)
                missing = list_requests(context, rows)
                Runner(context).run(missing)
                save(context)
                finish = finish_weights if missing or request.keep_weights else describe_models
                for line in finish(context):
                    reporter.note(line)
            ended = store.end_study(study.id, "finished", count_text(store.trials(study.id)))
        summary.say(console, f"finished: {ended.message}")
        close(ended, store)
        return study.name


def show_plan(request: RepeatedOptions, console: Console) -> None:
    """Print what the trainings would cost. Raise as `run_pairs` does."""
    with ExitStack() as stack:
        store = store_to_read(request, stack)
        executor = stack.enter_context(closing(session.open_executor(request)))
        trainer = stack.enter_context(open_trainer(request, find_dataset(request, store)))
        spec = resolve_spec(request, store, executor.device, trainer)
        _check_folder(spec)
        if store is not None:
            _, _, replaced = _check_question(spec, store)
            anew = (checks.anew_text(replaced),) if replaced else ()
            spec = replace(spec, notes=(*spec.notes, *anew))
        summary.say(console, f"plan of the study {spec.study_name}; nothing is started")
        first = spec.pairs[0]
        summary.say(console, *_contents(spec), *summary.image_lines(first.description, first.training))
        config = spec.config(first.point)
        checked = (request, first.description, first.training, config, executor)
        summary.say(console, *last_validation_lines(*checked))
        summary.say(console, f"trainings: {spec.trainings} = {_runs_text(spec)}")
        summary.say(console, cost_text(spec.trainings, first.training.budget, executor))
        most = spec.trainings if request.kept_weights == "all" else len(spec.pairs)
        summary.say(console, weights_text(request, first.description, most, f"{most} stay"))


def _check_folder(spec: PairsSpec) -> None:
    """Raise BadOption if the study's name cannot be one, or if its folder belongs to another study."""
    check_name(spec.study_name, "--study")
    folder = study_folder(spec.request.runs, spec.study_name)
    checks.refuse_folder(folder, connection.address(spec.request.database))


def _check_question(spec: PairsSpec, store: Store) -> tuple[dict[str, Any], Study | None, Study | None]:
    """Return the settings, the recorded study, if any, and that study if it is asked anew.

    Raise QuestionChanged if the recorded study has other settings and a result, and as `check_can_train`.
    """
    recorded, replaced = store.study(spec.study_name), find_replaced(spec, store)
    question = spec.question(recorded.question if recorded and not replaced else None)
    if recorded is not None and not replaced:
        why = checks.other_data(store, recorded, question, spec.pairs[0].training.dataset)
        refuse_another_question(recorded, spec.request.kind, question, why)
        if list_missing(spec, store.trials(recorded.id)):
            spec.request.check_can_train(spec.pairs[0].training)
    return question, recorded, replaced


def _open_study(spec: PairsSpec, store: Store, slots: int, console: Console) -> tuple[Study, Study | None]:
    """Start the study in the database, or take it up; return it, and as it was recorded before."""
    request = spec.request
    question, recorded, replaced = _check_question(spec, store)
    checks.claim_folder(study_folder(request.runs, spec.study_name), store.url)
    if replaced:
        session.put_aside(store, replaced, request.runs, console)
    study = store.open_study(
        spec.study_name,
        request.kind,
        question,
        spec.trainings,
        provenance.versions(session.VERSIONS),
        provenance.git_commit(),
        slots,
        anew=replaced is not None,
    )
    return study, recorded


def _opening(spec: PairsSpec, executor: Executor, study: Study, recorded: Sequence[Trial]) -> Iterable[str]:
    yield f"study {study.name} in {spec.request.database}"
    yield from _contents(spec)
    yield (
        f"{_runs_text(spec)}: {quantity(spec.trainings, 'training')} of {spec.pairs[0].training.budget} on "
        f"{summary.workers_text(executor)}"
    )
    yield from summary.resume_lines(recorded)


def _contents(spec: PairsSpec) -> Iterable[str]:
    request = spec.request
    for pair in spec.pairs:
        found = pair.description
        yield (
            f"{pair.subject.name} with {pair.training.recipe}: "
            f"{summary.sizes_text(found)} ({pair.subject.origin})"
        )
        yield from base_model.same_name_lines(pair.subject, request.kind)
    first = spec.pairs[0]
    read = "all test images, read once per training" if first.training.test else "no test images"
    yield from summary.data_lines(first.description, f"{_use_text(spec)}; {read}")
    yield from request.lines(first.training, first.description)
    yield from spec.notes


def _runs_text(spec: PairsSpec) -> str:
    return f"{quantity(len(spec.pairs), 'pair')} x {quantity(spec.request.runs_of_each, 'run')}"


def _use_text(spec: PairsSpec) -> str:
    """Return which images a run uses, in words."""
    training = spec.pairs[0].training
    images = summary.sample_text(training)
    if training.disjoint:
        return f"run r uses the r-th of {quantity(spec.request.runs_of_each, 'disjoint part')} of {images}"
    return f"run r holds out one of {images}" if training.folds else f"every run uses {images}"


def tell_ranking(request: RepeatedOptions, study: Study, console: Console) -> pd.DataFrame:
    """Print the ranking of the pairs, and return its rows."""
    # pandas: half a second to import, and needed only here
    from results import queries, tables

    ranked = patient(queries.evaluation)(request.database, study.name)
    terminal.tell(tables.evaluation_table(ranked), console.file)
    return ranked

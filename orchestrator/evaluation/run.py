"""Train models with recipes several times each, as a study, and rank them.

The study's only state is its trials' rows. The same command trains what is missing, and a larger `--runs`
adds to it. A failed run is a result and is not repeated.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from rich.console import Console

from orchestrator.console import summary
from orchestrator.evaluation.options import EvaluationOptions
from orchestrator.evaluation.pairs import PURPOSE, Pair, count_text, names_of, orders, pairs_of, question
from orchestrator.executors import Executor
from orchestrator.spec import base_model, provenance
from orchestrator.spec.options import check_name
from orchestrator.study import checks, session
from orchestrator.study.plan import cost_text, store_to_read
from orchestrator.trainer_client import TrainerClient
from orchestrator.trial.runner import Runner
from results import terminal
from results.db import connection
from results.db.rows import refuse_another_question
from results.db.store import Store
from results.db.tables import Study
from results.db.transactions import patient


def run_evaluation(request: EvaluationOptions, console: Console, stop: threading.Event) -> None:
    """Run the evaluation of `request` to its end, or until `stop` is set: then raise Stopped.

    Raise BadOption, TrainerRefused, StoreError, ExecutorError or TrainerBroken. Trials that have ended by
    then are in the database.
    """
    with ExitStack() as stack:
        store = stack.enter_context(Store(request.database))
        executor = stack.enter_context(closing(session.executor(request)))
        trainer_client = stack.enter_context(
            TrainerClient(request.trainer_command, request.limits.memory_bytes, stop=stop)
        )
        pairs = pairs_of(request, store, executor.device, trainer_client)
        name = _study_name(request, pairs)
        stack.enter_context(store.lock_study(name))
        recorded = store.study(name)
        asked = question(request, pairs, recorded.question if recorded else None)
        if recorded is not None:
            refuse_another_question(recorded, PURPOSE, asked)
        checks.claim_folder(checks.study_folder(request.runs, name), store.url)
        study = store.open_study(
            name,
            PURPOSE,
            asked,
            len(pairs) * request.runs_of_each,
            provenance.versions(session.VERSIONS),
            provenance.git_commit(),
            executor.slots,
        )
        for line in _opening(request, pairs, executor, study, store):
            summary.say(console, line)
        with session.ending_on_record(store, study, console, recorded):
            _train(request, pairs, executor, study, store, console, stop)
        store.end_study(study.id, "finished", count_text(store.trials(study.id)))
        _close(request, study, store, console)


def show_plan(request: EvaluationOptions, console: Console) -> None:
    """Print what the evaluation would cost. Raise as `run_evaluation` does."""
    with ExitStack() as stack:
        store = store_to_read(request, stack)
        executor = stack.enter_context(closing(session.executor(request)))
        trainer_client = stack.enter_context(
            TrainerClient(request.trainer_command, request.limits.memory_bytes, check_data=False)
        )
        pairs = pairs_of(request, store, executor.device, trainer_client)
        name = _study_name(request, pairs)
        summary.say(console, f"plan of the study {name}; nothing is started")
        for line in _contents(request, pairs):
            summary.say(console, line)
        trainings = len(pairs) * request.runs_of_each
        summary.say(console, f"trainings: {trainings} = {len(pairs)} pairs x {request.runs_of_each} runs")
        summary.say(console, cost_text(trainings, pairs[0].training.budget, executor))


def _study_name(request: EvaluationOptions, pairs: Sequence[Pair]) -> str:
    """Return the study's name. Raise BadOption if it, or its folder, belongs to another study."""
    name = request.study_name(names_of(pairs), pairs[0].training.dataset)
    check_name(name, "--study")
    folder = checks.study_folder(request.runs, name)
    checks.refuse_folder(folder, connection.address(request.database))
    return name


def _opening(
    request: EvaluationOptions, pairs: Sequence[Pair], executor: Executor, study: Study, store: Store
) -> Iterable[str]:
    yield f"study {study.name} in {request.database}"
    yield from _contents(request, pairs)
    where = "GPUs" if executor.device == "cuda" else "CPU workers"
    yield (
        f"{len(pairs)} pairs x {request.runs_of_each} runs: {study.budget_trials} trainings of "
        f"{pairs[0].training.budget} on {executor.slots} {where}"
    )
    recorded = store.trials(study.id)
    if recorded:
        ended = sum(row.state != "running" for row in recorded)
        yield f"resuming: {ended} of {len(recorded)} trials in the results database have ended"


def _contents(request: EvaluationOptions, pairs: Sequence[Pair]) -> Iterable[str]:
    for pair in pairs:
        found = pair.description
        yield (
            f"{pair.subject.name} with {pair.training.recipe}: "
            f"{summary.sizes_text(found)} ({pair.subject.origin})"
        )
        yield from base_model.same_name_lines(pair.subject, PURPOSE)
    read = "no test images" if request.no_test else "all test images, read once per training"
    parts = f"run r uses the r-th of {request.runs_of_each} disjoint parts of {summary.drawn(request)}"
    yield from summary.data_lines(pairs[0].description, f"{parts}; {read}")


def _train(
    request: EvaluationOptions,
    pairs: Sequence[Pair],
    executor: Executor,
    study: Study,
    store: Store,
    console: Console,
    stop: threading.Event,
) -> None:
    """Train the runs that have no result yet."""
    folder = checks.study_folder(request.runs, study.name)
    rows = store.trials(study.id)
    title = f"{study.name}: {len(pairs)} pairs"
    seconds = pairs[0].training.budget.seconds
    with closing(session.display(console, executor, study, seconds, rows, title)) as display:
        runner = Runner(
            store,
            study.id,
            executor,
            request.trainer_command,
            folder,
            request.limits,
            display,
            stop,
            provenance.git_commit(),
        )
        runner.run(orders(pairs, request.runs_of_each, rows))


def _close(request: EvaluationOptions, study: Study, store: Store, console: Console) -> None:
    """Print the ranking, and write it to the user's CSV file, if any."""
    # pandas: half a second to import, and needed only here
    from results import export, queries, tables

    ranked = patient(queries.evaluation)(request.database, study.name)
    summary.say(console, f"finished: {count_text(store.trials(study.id))}")
    terminal.tell(tables.evaluation_table(ranked), console.file)
    if request.csv is not None:
        export.write_csv(ranked, request.csv)
        summary.say(console, f"written to {request.csv}")
    summary.say(console, f"show this table again: nas-results evaluation {study.name}{_where(request)}")


def _where(request: EvaluationOptions) -> str:
    usual = str(Path("runs") / "results.db")
    return "" if request.database == usual else f" --db {request.database}"

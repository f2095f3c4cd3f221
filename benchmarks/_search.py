"""Searches by the project's own loop, solver, verdicts and database, of networks whose truth is known.

Only two things differ from `nas-search`: MACs are looked up, and a training is drawn (`_landscapes.py`).
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from _landscapes import Landscape, name_point
from rich.console import Console

from orchestrator.console.progress import PlainProgress, ProgressMeter
from orchestrator.executors import local
from orchestrator.pruners import NEVER, EarlyStopping
from orchestrator.search import baseline
from orchestrator.search.confirmation import Winner
from orchestrator.search.context import SearchContext, TrialHistory
from orchestrator.search.known_sizes import KnownSizes
from orchestrator.search.loop import SearchLoop
from orchestrator.search.solver_session import Incarnation, SolverSession
from orchestrator.solvers import SolverProcess
from orchestrator.spec import search_options
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.formulation import Formulation
from orchestrator.spec.problem import Problem
from orchestrator.spec.search_options import SearchOptions
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.trial_config import TrialBudget, TrialTemplate
from orchestrator.trainer_client import NetworkInfo
from orchestrator.trial.context import StudyContext
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.runner import Evaluate, Runner
from results.db.store import Store
from results.db.tables import Trial
from search_spaces import Named, Parts


@dataclass(frozen=True)
class Versions:
    """Rules of earlier versions, by which studies that they began go on.

    verdict: 1 takes the mean of the base trainings for exact, 2 compares pairs; None: the current one
    solver: 1 is what solvers proposed before they knew MACs and planned replicates; None: the current one
    """

    verdict: int | None = None
    solver: int | None = None


@dataclass
class Searched:
    """What one search did.

    least: the true accuracy that a network must have, a fraction
    named: (trainings so far, name of the network confirmed then, or else of the base), wherever that changed
    blocks: of the solver's, that had a training in them; placed: trainings in them
    solver_seconds: of CPU, its start included
    """

    least: float
    winner: Winner | None
    rows: Sequence[Trial]
    named: list[tuple[int, str]] = field(default_factory=list)
    blocks: int = 0
    placed: int = 0
    solver_seconds: float = 0.0


def search(
    land: Landscape, given: Mapping[str, Any], seed: int, versions: Versions, block: int = 1
) -> Searched:
    """Run one search. `given`: its options. The database is in memory where the system has such a folder."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        Store(Path(folder) / "results.db") as store,
    ):
        request = search_options.resolve_options(
            "nas", "cells", {**given, "seed": seed, "runs": Path(folder)}
        )
        context = _make_context(land, request, versions, store, block)
        runner, bound, mean = _Draw(context, land), request.min_accuracy, None
        if bound is None:
            mean = statistics.fmean(baseline.measure(context, runner, []))
            bound = mean - request.tolerance
        rows = store.trials(context.study.id)
        formulation = context.spec.formulation(bound, rows[0] if rows else None)
        history = TrialHistory(rows, formulation)
        shared = SearchContext(**vars(context), formulation=formulation, runner=runner, history=history)
        first = Incarnation(0, len(rows) + 1, _make_problem(context, formulation, block, versions))
        least = land.truth[land.base] - request.tolerance if mean is not None else bound
        found, before = Searched(least, None, ()), _seconds_of_children()

        def start(begun: Incarnation) -> SolverProcess:
            return SolverProcess(request.solver, shared.add_goal(begun.problem, begun.first))

        with closing(SolverSession(start, first, lambda: land.start, _ignore)) as solver:
            loop = SearchLoop(shared, solver, mean)
            runner.before_each = lambda: _note(found.named, runner.trained, _confirmed(loop) or land.base)
            runner.has_blocks_alone = shared.goal is not None
            loop.run()
            runner.before_each()
            assert loop.confirmation is not None
            found.winner = loop.confirmation.winner()
        found.rows = list(history.rows.values())
        found.blocks, found.placed = runner.blocks, runner.placed
        found.solver_seconds = _seconds_of_children() - before
        return found


def _confirmed(loop: SearchLoop) -> str | None:
    found = loop.confirmation and loop.confirmation.incumbent
    return name_point((found.config or {})["architecture"]) if found else None


def _note(named: list[tuple[int, str]], trained: int, name: str) -> None:
    if not named or named[-1][1] != name:
        named.append((trained, name))


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Lookup:
    """Describes the networks of a landscape without a process."""

    def __init__(self, land: Landscape) -> None:
        self._land = land

    def describe(self, config: Mapping[str, Any]) -> NetworkInfo:
        name = name_point(config["architecture"])
        known: dict[str, Any] = {"dataset": {"name": "table"}, "architecture": {"cells": name}}
        return NetworkInfo(name, self._land.macs[name], "table", 0, (), (), 32, 32, 10, **known)

    def describe_all(self, configs: Sequence[Mapping[str, Any]]) -> list[NetworkInfo]:
        return [self.describe(config) for config in configs]


class _Draw(Runner):
    """Answers a training with a drawn one, without a process.

    before_each: called before each block; has_blocks_alone: whether the solver asks for replicates too
    """

    def __init__(self, context: StudyContext[StudySpec], land: Landscape) -> None:
        super().__init__(context)
        self._land, self._seed = land, context.spec.request.seed
        self.trained = self.blocks = self.placed = 0
        self.before_each: Callable[[], None] = lambda: None
        self.has_blocks_alone = False

    def run(
        self,
        requests: Sequence[TrialRequest],
        evaluate: Evaluate | None = None,
        pruner: EarlyStopping = NEVER,
    ) -> list[Trial]:
        self.before_each()
        if self.has_blocks_alone or any(request.purpose == "search" for request in requests):
            self.blocks += 1
            self.placed += len(requests)
        return [self._train(request, evaluate) for request in requests]

    def _train(self, request: TrialRequest, evaluate: Evaluate | None) -> Trial:
        name = name_point(request.config["architecture"])
        columns: dict[str, Any] = {"val_accuracy": self._land.train(name, request.replicate, self._seed)}
        row = self._store.start_trial(self._study_id, request.number, **request.columns())
        if evaluate is not None:
            columns |= evaluate(row, columns["val_accuracy"]).columns()
        self.trained += 1
        return self._store.finish_trial(row.id, "completed", **columns)


def _make_context(
    land: Landscape, request: SearchOptions, versions: Versions, store: Store, block: int
) -> StudyContext[StudySpec]:
    trainer, named = _Lookup(land), Named("cells", land.space, land.start, _choose)
    base = trainer.describe({"architecture": land.start})
    subject = BaseModel("cells", "cells", {}, "the base of the landscape")
    images, folds = land.validation_images, land.folds
    pool: dict[str, Any] = {"folds": folds, "pool_images": folds * images} if folds else {}
    training = TrialTemplate(
        "cells", "table", max(1, folds - 1) * images, images, TrialBudget(steps=1), **pool
    )
    spec = StudySpec(request, subject, {}, training, request.aim, base, base, land.space, named, "s", "s")
    question = spec.question(block)
    if versions.verdict is not None:
        question["confirmation"]["version"] = versions.verdict
    if versions.solver is not None:
        question["solver"]["version"] = versions.solver
    study = store.open_study("s", "nas", question, request.trials, {}, None)
    reporter = PlainProgress(Console(quiet=True), ProgressMeter(request.trials, None))
    executor = local.create("cpu", slots=1)  # of which nothing is asked
    return StudyContext(store, study, spec, trainer, executor, reporter, threading.Event())


def _make_problem(
    context: StudyContext[StudySpec], formulation: Formulation, block: int, versions: Versions
) -> Problem:
    """Return the problem as a study of that version gives it to its solver."""
    problem = context.spec.problem(formulation, block)
    if versions.solver is not None:
        return replace(problem, version=versions.solver)
    return KnownSizes(context.spec, formulation, context.trainer).add_to(problem)


def _choose(point: Mapping[str, Any]) -> Parts:
    return {"architecture": dict(point)}


def _ignore(incarnation: Incarnation, why: str) -> None:
    """Keep no record of a restart."""

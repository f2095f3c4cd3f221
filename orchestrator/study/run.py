"""Run a study from a request: open what it needs, measure the base, search, confirm, save the winner."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from orchestrator.console import summary
from orchestrator.executors import Executor
from orchestrator.pruners.learning_curve import PrunerConfig
from orchestrator.search import baseline, budget, final_selection
from orchestrator.search.confirmation import AT_A_TIME, ConfidenceTarget, Winner
from orchestrator.search.loop import SearchLoop
from orchestrator.search.solver_session import RESTART, Incarnation, SolverSession, incarnation_on_record
from orchestrator.solvers import SolverProcess
from orchestrator.spec import feasibility, options, provenance
from orchestrator.spec.problem import Problem
from orchestrator.spec.study_spec import StudySpec, resolve_spec, subject_of
from orchestrator.study import checks, save_models, session
from orchestrator.trainer_client import NetworkDescriber, TrainerClient
from orchestrator.trial.latency import LatencyProfiler
from orchestrator.trial.progress import ProgressDisplay
from orchestrator.trial.runner import Runner
from results.db.search_queue import SearchQueue
from results.db.tables import Study, Trial
from results.metrics import METRICS
from search_spaces import Point


def run_study(request: options.SearchOptions, console: Console, stop: threading.Event) -> None:
    """Run the study of `request` to its end, or until `stop` is set: then raise Stopped.

    Raise BadOption, TrainerRefused, StoreError, ExecutorError, BaselineFailed, SolverFailed,
    NotReproducible or TrainerBroken. Trials that have ended by then are in the database.
    """
    with ExitStack() as stack:
        store = stack.enter_context(SearchQueue(request.database))
        subject = subject_of(request, store)
        executor = stack.enter_context(closing(session.executor(request)))
        trainer_client = stack.enter_context(
            TrainerClient(request.trainer_command, request.limits.memory_bytes, stop=stop)
        )
        spec = resolve_spec(request, subject, executor.device, trainer_client)
        stack.enter_context(store.lock_study(spec.study_name))
        StudyRun(spec, store, executor, trainer_client, console, stop).run()


@dataclass
class StudyRun:
    """One run of one study. It holds the study's lock."""

    spec: StudySpec
    store: SearchQueue
    executor: Executor
    trainer_client: NetworkDescriber
    console: Console
    stop: threading.Event

    def run(self) -> None:
        """Resume the recorded study or start it, and run it to its end."""
        asked = checks.check_study(self.spec, self.store, self.executor.slots, self.trainer_client)
        self.spec, request, recorded = asked.spec, asked.spec.request, asked.recorded
        if recorded and self._is_answered(recorded):
            self._tell(recorded, ())
            summary.closing(self.console, self.store, self.spec)
            return
        reached = tuple(feasibility.limit_lines(self.spec, self.trainer_client))
        checks.claim_folder(self._folder, self.store.url)
        study = self.store.open_study(
            self.spec.study_name,
            request.kind,
            asked.question,
            request.trials,
            provenance.versions(session.VERSIONS),
            provenance.git_commit(),
            self.executor.slots,
            request.max_gpu_hours,
        )
        self.store.remember(study.name, request.kind, request.subject, self.spec.repeatable())
        self._tell(study, reached)
        with session.ending_on_record(self.store, study, self.console, recorded):
            message = self._measure_and_search(study, asked.block)
        self.store.end_study(study.id, "finished", message)
        summary.closing(self.console, self.store, self.spec)

    def _tell(self, study: Study, reached: Sequence[str]) -> None:
        summary.opening(self.console, self.spec, self.executor, study, self.store.trials(study.id))
        for line in (*summary.warm_start_lines(self.spec), *reached):
            summary.say(self.console, line)

    def _is_answered(self, recorded: Study) -> bool:
        """Whether the study has already finished with this request's budgets."""
        saved = {model.name for model in self.store.models() if model.study_id == recorded.id}
        return (
            recorded.state == "finished"
            and recorded.budget_trials == self.spec.request.trials
            and recorded.budget_slot_hours == self.spec.request.max_gpu_hours
            and all(save_models.is_of(self.spec, name) for name in saved)
        )

    @property
    def _folder(self) -> Path:
        return checks.study_folder(self.spec.request.runs, self.spec.study_name)

    @property
    def _budget(self) -> budget.StudyBudget:
        return budget.study_budget(self.spec.request, self.spec.training.budget)

    def _measure_and_search(self, study: Study, block: int) -> str:
        request = self.spec.request
        rows = self.store.trials(study.id)

        def affords(others: int) -> bool:
            return self._budget.reaches_beside(others, self.store.trials(study.id))

        with closing(self._display(study, rows)) as display:
            runner = Runner(
                self.store,
                study.id,
                self.executor,
                request.trainer_command,
                self._folder,
                replace(request.limits, affords=affords),
                display,
                self.stop,
                provenance.git_commit(),
            )
            self._time_networks(rows)
            bound, mean = self._bound(study, runner, rows, display)
            rows = self.store.trials(study.id)
            with closing(self._search(study, block, runner, rows, bound, mean, display)) as search:
                message = search.run()
                if self.spec.aim.objectives > 1:
                    final_selection.confirm_front(search, request.confirm, self._budget)
                    save_models.save_front(self.store, self.spec, study, search.rows)
                else:
                    save_models.save(self.store, self.spec, study, self._winner(search))
        return message + final_selection.unconfirmed_text(search)

    def _time_networks(self, rows: Sequence[Trial]) -> None:
        """From here on measure the latency of networks as well, if the search needs it."""
        spec = self.spec
        if METRICS["latency"] not in spec.aim.metrics:
            return
        trainer = spec.request.trainer_command
        memory = spec.request.limits.memory_bytes
        stopwatch = LatencyProfiler(
            self.trainer_client, self.executor, trainer, self._folder, self.stop, memory
        )
        stopwatch.remember(rows)
        self.trainer_client = stopwatch
        config = spec.training.config(spec.choice(spec.formulation(None).start))
        self.spec = replace(spec, first=stopwatch.describe(config))

    def _bound(
        self, study: Study, runner: Runner, rows: Sequence[Trial], display: ProgressDisplay
    ) -> tuple[float | None, float | None]:
        """Return the required accuracy and the base network's mean; None for what the study does not have."""
        spec, request = self.spec, self.spec.request
        if not spec.replicates:
            if request.min_accuracy is None:
                return None, None
            self.store.set_bound(study.id, min_accuracy=request.min_accuracy, baseline_replicates=0)
            return request.min_accuracy, None
        start = spec.formulation(None).start
        measured = baseline.measure(
            runner, spec.training, start, spec.choice(start), spec.first, spec.replicates, rows
        )
        bound = measured.mean - request.tolerance
        self.store.set_bound(
            study.id,
            min_accuracy=bound,
            baseline_accuracy=measured.mean,
            baseline_std=measured.std,
            baseline_replicates=spec.replicates,
        )
        display.note(summary.required_accuracy_text(measured.mean, measured.std, spec.replicates, bound))
        return bound, measured.mean

    def _search(
        self,
        study: Study,
        block: int,
        runner: Runner,
        rows: Sequence[Trial],
        bound: float | None,
        mean: float | None,
        display: ProgressDisplay,
    ) -> SearchLoop:
        by_number = {row.number: row for row in rows}
        formulation, request = self.spec.formulation(bound, by_number.get(1)), self.spec.request
        problem = self.spec.problem(formulation, block)

        def incumbent() -> Point:
            best = formulation.best(list(by_number.values()))
            return problem.space.point(best.point) if best and best.point else problem.start

        def succeeded(reign: Incarnation, why: str) -> None:
            self.store.note(study.id, RESTART, reign.to_json(why))
            display.note(
                f"the solver died twice at the same point; restarting it with seed {reign.problem.seed}"
            )

        reign = self._reign(study, problem)
        return SearchLoop(
            self.store,
            study.id,
            formulation,
            self.spec.training,
            SolverSession(self._start_solver, reign, incumbent, succeeded),
            self.trainer_client,
            runner,
            display,
            self.stop,
            budget=final_selection.search_budget(self._budget, request, rows),
            baseline_mean=mean,
            rows=by_number,
            trust=ConfidenceTarget(request.confidence, request.confirm, min(block, AT_A_TIME)),
            policy=PrunerConfig.settled(None, None, study.question),
        )

    def _reign(self, study: Study, problem: Problem) -> Incarnation:
        successions = [event.detail for event in self.store.events(study.id) if event.kind == RESTART]
        return incarnation_on_record(problem, self.spec.replicates + 1, successions)

    def _start_solver(self, problem: Problem) -> SolverProcess:
        return SolverProcess(self.spec.request.solver, problem, log=self._folder / "solver.log")

    def _winner(self, search: SearchLoop) -> Winner | None:
        request = self.spec.request
        if search.confirmer is not None:
            return search.confirmer.winner()
        return final_selection.select_winner(
            search, search.trust, final_selection.count_reserved(request), self._budget
        )

    def _display(self, study: Study, rows: Sequence[Trial]) -> ProgressDisplay:
        title = f"{study.name}: {self.spec.request.kind}-search of {self.spec.request.subject}"
        seconds = self.spec.training.budget.seconds
        start, told = self.spec.start, self.spec.aim.told
        return session.display(self.console, self.executor, study, seconds, rows, title, start, told)

"""Run a study from a request: open what it needs, measure the base, search, confirm, save the winner."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from orchestrator.console import summary
from orchestrator.console.progress import Display
from orchestrator.executors import Executor
from orchestrator.pruners.learning_curve import Policy
from orchestrator.search import baseline, budget, final_selection, front, leaders
from orchestrator.search.confirmation import AT_A_TIME, Trust, Winner
from orchestrator.search.loop import Search
from orchestrator.search.solver_session import SUCCESSION, Proposals, Reign, reign_on_record
from orchestrator.solvers import SolverProcess
from orchestrator.spec import feasibility, options, provenance, warm_start
from orchestrator.spec.problem import Problem
from orchestrator.spec.settled import subject_of
from orchestrator.spec.study_spec import Inquiry, inquire
from orchestrator.study import checks, save_models, session
from orchestrator.trainer_client import Describer, Describes
from orchestrator.trial.latency import Stopwatch
from orchestrator.trial.runner import Runner
from results.models import Study, Trial
from results.queue import Queue
from search_spaces import Point


def run(request: options.Request, console: Console, stop: threading.Event) -> None:
    """Run the study of `request` to its end, or until `stop` is set: then raise Stopped.

    Raise BadOption, Refused, StoreError, ExecutorError, BaselineFailed, SolverFailed, NotReproducible
    or TrainerBroken; whatever had ended by then is on record.
    """
    with ExitStack() as stack:
        store = stack.enter_context(Queue(request.database))
        subject = subject_of(request, store)
        executor = stack.enter_context(closing(session.executor(request)))
        describer = stack.enter_context(
            Describer(request.trainer_command, request.limits.memory_bytes, stop=stop)
        )
        inquiry = inquire(request, subject, executor.device, describer)
        stack.enter_context(store.lock_study(inquiry.study_name))
        Launch(inquiry, store, executor, describer, console, stop).run()


@dataclass
class Launch:
    """One run of one study, whose lock is held."""

    inquiry: Inquiry
    store: Queue
    executor: Executor
    describer: Describes
    console: Console
    stop: threading.Event

    def run(self) -> None:
        """Take up the study on record or begin it, and run it to its end."""
        asked = checks.asked(self.inquiry, self.store, self.executor.slots, self.describer)
        self.inquiry, request, recorded = asked.inquiry, asked.inquiry.request, asked.recorded
        if recorded and self._is_answered(recorded):
            self._tell(recorded, ())
            summary.closing(self.console, self.store, self.inquiry)
            return
        reached = tuple(feasibility.told(self.inquiry, self.describer))
        checks.own(self._folder, self.store.url)
        study = self.store.open_study(
            self.inquiry.study_name,
            request.kind,
            asked.question,
            request.trials,
            provenance.versions(session.VERSIONS),
            provenance.git_commit(),
            self.executor.slots,
            request.max_gpu_hours,
        )
        self.store.remember(study.name, request.kind, request.subject, self.inquiry.repeatable())
        self._tell(study, reached)
        with session.ending_on_record(self.store, study, self.console, recorded):
            message = self._measure_and_search(study, asked.block)
        self.store.end_study(study.id, "finished", message)
        summary.closing(self.console, self.store, self.inquiry)

    def _tell(self, study: Study, reached: Sequence[str]) -> None:
        summary.opening(self.console, self.inquiry, self.executor, study, self.store.trials(study.id))
        for line in (*warm_start.told(self.inquiry), *reached):
            summary.say(self.console, line)

    def _is_answered(self, recorded: Study) -> bool:
        """Whether the record holds the end of this very request."""
        saved = {model.name for model in self.store.models() if model.study_id == recorded.id}
        return (
            recorded.state == "finished"
            and recorded.budget_trials == self.inquiry.request.trials
            and recorded.budget_slot_hours == self.inquiry.request.max_gpu_hours
            and all(save_models.is_of(self.inquiry, name) for name in saved)
        )

    @property
    def _folder(self) -> Path:
        return checks.study_folder(self.inquiry.request.runs, self.inquiry.study_name)

    @property
    def _budget(self) -> budget.Budget:
        return budget.asked(self.inquiry.request, self.inquiry.training.budget, self.executor.device)

    def _measure_and_search(self, study: Study, block: int) -> str:
        request = self.inquiry.request
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
                if self.inquiry.aim.objectives > 1:
                    front.know(search, request.confirm, self._budget)
                    save_models.save_front(self.store, self.inquiry, study, search.rows)
                else:
                    save_models.save(self.store, self.inquiry, study, self._winner(search))
        return message + final_selection.told(search)

    def _time_networks(self, rows: Sequence[Trial]) -> None:
        """From here on networks are described with their latencies, if the search asks for them."""
        inquiry = self.inquiry
        if not inquiry.aim.needs_latency:
            return
        trainer = inquiry.request.trainer_command
        memory = inquiry.request.limits.memory_bytes
        stopwatch = Stopwatch(self.describer, self.executor, trainer, self._folder, self.stop, memory)
        stopwatch.remember(rows)
        self.describer = stopwatch
        config = inquiry.training.config(inquiry.choice(inquiry.formulation(None).start))
        self.inquiry = replace(inquiry, first=stopwatch.describe(config))

    def _bound(
        self, study: Study, runner: Runner, rows: Sequence[Trial], display: Display
    ) -> tuple[float | None, float | None]:
        """Return the least accuracy allowed and the base network's mean, as far as the question has them."""
        inquiry, request = self.inquiry, self.inquiry.request
        if not inquiry.replicates:
            if request.min_accuracy is None:
                return None, None
            self.store.set_bound(study.id, min_accuracy=request.min_accuracy, baseline_replicates=0)
            return request.min_accuracy, None
        start = inquiry.formulation(None).start
        measured = baseline.measure(
            runner, inquiry.training, start, inquiry.choice(start), inquiry.first, inquiry.replicates, rows
        )
        bound = measured.mean - request.tolerance
        self.store.set_bound(
            study.id,
            min_accuracy=bound,
            baseline_accuracy=measured.mean,
            baseline_std=measured.std,
            baseline_replicates=inquiry.replicates,
        )
        display.note(summary.bound_text(measured.mean, measured.std, inquiry.replicates, bound))
        return bound, measured.mean

    def _search(
        self,
        study: Study,
        block: int,
        runner: Runner,
        rows: Sequence[Trial],
        bound: float | None,
        mean: float | None,
        display: Display,
    ) -> Search:
        formulation, request = self.inquiry.formulation(bound), self.inquiry.request
        by_number = {row.number: row for row in rows}
        problem = self.inquiry.problem(formulation, block)

        def incumbent() -> Point:
            best = formulation.best(list(by_number.values()))
            return problem.space.point(best.point) if best and best.point else problem.start

        def succeeded(reign: Reign, why: str) -> None:
            self.store.note(study.id, SUCCESSION, reign.to_json(why))
            display.note(f"the solver died twice at one question; seed {reign.problem.seed} takes over")

        reign = self._reign(study, problem)
        return Search(
            self.store,
            study.id,
            formulation,
            self.inquiry.training,
            Proposals(self._start_solver, reign, incumbent, succeeded),
            self.describer,
            runner,
            display,
            self.stop,
            budget=final_selection.searched(self._budget, request, rows),
            baseline_mean=mean,
            rows=by_number,
            trust=Trust(request.confidence, request.confirm, min(block, AT_A_TIME)),
            policy=Policy.settled(None, None, study.question),
        )

    def _reign(self, study: Study, problem: Problem) -> Reign:
        successions = [event.detail for event in self.store.events(study.id) if event.kind == SUCCESSION]
        return reign_on_record(problem, self.inquiry.replicates + 1, successions)

    def _start_solver(self, problem: Problem) -> SolverProcess:
        return SolverProcess(self.inquiry.request.solver, problem, log=self._folder / "solver.log")

    def _winner(self, search: Search) -> Winner | None:
        request = self.inquiry.request
        if search.confirmer is not None:
            return search.confirmer.winner()
        return leaders.know(search, search.trust, final_selection.kept_back(request), self._budget)

    def _display(self, study: Study, rows: Sequence[Trial]) -> Display:
        title = f"{study.name}: {self.inquiry.request.kind}-search of {self.inquiry.request.subject}"
        seconds = self.inquiry.training.budget.seconds
        start, told = self.inquiry.start, self.inquiry.aim.told
        return session.display(self.console, self.executor, study, seconds, rows, title, start, told)

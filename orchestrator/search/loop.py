"""The loop of a search: ask the solver, train, record, tell.

Its only state is in the database. A resumed search asks the solver from the start and answers from the
recorded rows, until the solver proposes points that have no row. Each proposed point is compared with its
row; if they differ, the search stops.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from orchestrator.pruners import (
    MOST_CURVES,
    NEVER,
    EarlyStopping,
    Evidence,
    Finished,
    PrunerConfig,
    complete_points,
)
from orchestrator.search.baseline import note_chance
from orchestrator.search.budget import search_budget
from orchestrator.search.common_failure import FEWEST, find_common_failure, has_success, refuse_common_failure
from orchestrator.search.confirmation import Confirmation
from orchestrator.search.context import SearchContext
from orchestrator.search.model_verdicts import ModelVerdicts
from orchestrator.search.remaining import RemainingNetworks
from orchestrator.search.solver_session import NotReproducible, SolverSession
from orchestrator.spec.formulation import accuracy
from orchestrator.spec.option_types import parse_share
from orchestrator.spec.problem import Ask, Evaluation
from orchestrator.trainer_client import Stopped
from orchestrator.trial.outcome import count_spent, is_open, is_training
from orchestrator.trial.request import TrialRequest
from results.analysis import forecast
from results.db.tables import Trial
from results.format import quantity

MAX_UNTRAINED_IN_A_ROW = 500
SAVED_ENOUGH = "until_saving"  # the event's kind


class SearchLoop:
    """One run of one search. `baseline_mean`: a fraction; None if no base network was trained."""

    def __init__(
        self, search: SearchContext, solver: SolverSession, baseline_mean: float | None = None
    ) -> None:
        self.next_number = 1  # the first trial number that no iteration has used
        self.confirmation: Confirmation | ModelVerdicts | None = None  # None without a required accuracy
        if search.goal is not None:
            self.confirmation = ModelVerdicts(search, search.goal)
        elif search.formulation.confirms:
            self.confirmation = Confirmation(search, solver.incarnation.first)
        self._search, self._solver, self._baseline_mean = search, solver, baseline_mean
        self._rows = search.history.rows
        self._budget = search_budget(search.budget, search.spec.request, self._rows.values())
        self._pruner_config = PrunerConfig.resolve(None, None, None, search.study.question)
        self._remaining = RemainingNetworks(search)

    def run(self) -> str:
        """Search until the budget is spent or the solver has finished, and return a text that says which.

        Raise Stopped, TrainerRefused, NotReproducible, SolverFailed, ExecutorError or a StoreError.
        """
        untrained = 0
        rows, budget = self._rows, self._budget
        first = self._free_number(self._solver.incarnation.first)
        while (recorded := self._has_asked_from(first)) or self._covers_a_training():
            asks = self._solver.ask(None if recorded else first, self._pause)
            if asks is None:
                trained = count_spent(self._counted())
                found = self._search.history.best  # which may have met the required accuracy only once
                return (
                    self._nothing_left(found, True)
                    or f"the solver has finished after {quantity(round(trained, 2), 'training')}"
                )
            if not recorded and (enough := self._saves_enough(asks)):
                return enough
            self.next_number = first + len(asks)
            answers = self._answer(first, asks)
            if answers is None:
                break
            self._solver.tell(answers)
            if not recorded:
                self._search.remove_weights()
            block = [rows[first + i] for i in range(len(asks))]
            untrained = 0 if any(is_training(row) for row in block) else untrained + len(block)
            first = self._free_number(self.next_number)
            if untrained and not self._has_asked_from(first) and (end := self._end_untrained(untrained)):
                return end
        return budget.spent_text(rows.values(), self._counted())

    def _end_untrained(self, untrained: int) -> str | None:
        """Return why the search ends after so many candidates in a row without a training, if it does."""
        if untrained >= MAX_UNTRAINED_IN_A_ROW:
            return (
                f"the solver's last {untrained} candidates were duplicates or skipped, so no training was "
                "needed"
            )
        return self._nothing_left()

    def _nothing_left(self, found: Trial | None = None, is_last: bool = False) -> str | None:
        """Return that no network is left that is smaller than the confirmed one, or than `found` without one.

        None if there is one left, or may be.
        """
        incumbent = (self.confirmation and self.confirmation.incumbent) or found
        return self._remaining.end_text(incumbent, is_last)

    def _saves_enough(self, asks: Sequence[Ask]) -> str | None:
        """Return that more trainings would save less than --until-saving, and record it; None if they do not.

        All asks of an iteration come from one state of the solver, so the first one's belief is enough.
        """
        asked, saving = self._search.spec.request.until_saving, forecast.expected_saving(asks[0].belief)
        if asked is None or saving is None or saving >= parse_share(asked):
            return None
        detail = {"expected_saving": saving, "until_saving": asked}
        self._search.store.note(self._search.study.id, SAVED_ENOUGH, detail)
        return f"{forecast.saving_text(saving)}, less than --until-saving {asked}"

    def _has_asked_from(self, number: int) -> bool:
        """Whether the solver has asked for a trial with this number or a higher one."""
        if self._search.goal is None:
            return self._search.history.has_search_from(number)
        return number <= max(self._rows, default=0)

    def _covers_a_training(self) -> bool:
        self._search.formulation.check_measured(self._rows.values())
        return self._budget.covers_a_training(self._rows.values())

    def _counted(self) -> list[Trial]:
        """Return all rows but those retrained after the search had ended, in this run or before a resume."""
        of_search = self._search.formulation.confirms
        return [row for row in self._rows.values() if of_search or row.purpose != "confirmation"]

    def _pause(self) -> None:
        """Stop or keep the study's lock while the solver computes; called several times a second."""
        self._search.reporter.tick([])
        if self._search.stop.is_set():
            raise Stopped

    def _free_number(self, number: int) -> int:
        """Return the first number from `number` on that the solver's asks may have.

        Repeats have the numbers after the iteration that they confirm, unless the solver asks for them.
        """
        while self._search.goal is None and number in self._rows and self._rows[number].purpose != "search":
            number += 1
        return number

    def _answer(self, first: int, asks: Sequence[Ask]) -> list[Evaluation] | None:
        """Return what the solver is told of an iteration; None if the budget ends before its end."""
        numbers = range(first, first + len(asks))
        known = [self._rows[number] for number in numbers if number in self._rows]
        taken = {row.network_key for row in known if is_training(row)}
        requests, repeated = list[TrialRequest](), list[TrialRequest]()
        for request in self._requests(first, asks):
            if request.purpose != "search":
                requests.append(request)
            elif request.row is None and request.key in taken:
                repeated.append(request)  # a duplicate, which waits for the result of another
            elif request.row is not None or not self._answer_untrained(request):
                requests.append(request)
                taken.add(request.key)
        is_trained = self._train(requests, first)
        if not is_trained or any(is_open(self._rows[n]) for n in numbers if n in self._rows):
            return None
        if not self._confirm(numbers):
            return None
        for request in repeated:
            self._answer_untrained(request)
        answered = [self._rows[n] for n in numbers if n in self._rows]
        return [_read_answer(row) for row in answered] if len(answered) == len(numbers) else None

    def _requests(self, first: int, asks: Sequence[Ask]) -> list[TrialRequest]:
        """Return the requests for those asks that have no result yet."""
        search, due = self._search, dict[int, Ask]()
        for number, ask in enumerate(asks, start=first):
            row = self._rows.get(number)
            if row is not None:
                _refuse_another_ask(ask, row)
            if row is None or is_open(row):
                due[number] = ask
        described = search.trainer.describe_all([search.spec.config(ask.point) for ask in due.values()])
        return [
            search.answer(number, ask, one) for (number, ask), one in zip(due.items(), described, strict=True)
        ]

    def _train(self, requests: list[TrialRequest], first: int) -> bool:
        """Train an iteration's requests; return whether the budget was enough for all.

        A trial that is stopped early leaves some of the budget to the others. As long as none has succeeded,
        a few are trained at a time. Raise TrainingsFailed if the first ones all fail for one reason.
        """
        search, pruner = self._search, self._pruner(first) if requests else NEVER
        while due := self._budget.select(requests, self._rows.values()):
            if not has_success(self._rows.values()):
                due = due[: max(FEWEST, search.executor.slots)]
            for row in search.runner.run(due, search.formulation.evaluation, pruner):
                self._add(row)
                if row.number == 1 and row.state == "completed":  # the start, without a baseline before it
                    note_chance(search, row)
            begun, has_base = self._solver.incarnation.first, bool(search.spec.replicates)
            refuse_common_failure(find_common_failure(self._rows.values(), begun, has_base))
            tried = {request.number for request in due}
            requests = [request for request in requests if request.number not in tried]
        return not requests

    def _confirm(self, numbers: range) -> bool:
        """Confirm what the iteration found, if anything; return whether the budget was enough."""
        if self.confirmation is None:
            return True
        before = self.confirmation.incumbent
        is_decided = self.confirmation.decide(numbers)
        incumbent = self.confirmation.incumbent
        if incumbent is None and before is not None:  # its verdict was withdrawn
            incumbent = self._search.formulation.best(list(self._rows.values()))
        shown = before and (before.number, before.verdict)
        if incumbent is not None and (incumbent.number, incumbent.verdict) != shown:
            self._search.reporter.show_best(incumbent)
        return is_decided

    def _pruner(self, first: int) -> EarlyStopping:
        """Return the early stopping of an iteration, which learns from the trials before it."""
        search = self._search
        if not self._pruner_config.stops:
            return NEVER
        ended = [row for row in self._rows.values() if row.number < first and row.state == "completed"]
        bound = search.formulation.hurdle(ended)
        if bound is None:
            return NEVER
        latest = heapq.nlargest(MOST_CURVES, ended, key=lambda row: row.number)[::-1]
        curves = search.store.curves(search.study.id, [row.number for row in latest])
        finished = [Finished(complete_points(curves.get(row.number, [])), accuracy(row)) for row in latest]
        images, seed = search.noise_images, search.spec.training.seed
        evidence = Evidence(tuple(finished), bound, images, self._pruner_config.level)
        return EarlyStopping(self._pruner_config, evidence, seed, search.sought.column)

    def _answer_untrained(self, request: TrialRequest) -> bool:
        """Record a request as a duplicate or as skipped, if it is one; return whether it was."""
        search, why, reason = self._search, None, None
        original = search.history.find_trained(request.key)
        if original is not None:
            answer, state = self._answer_again(original), "duplicate"
        else:
            incumbent = self.confirmation.incumbent if self.confirmation else None
            screened = search.formulation.screened(request.description, incumbent)
            if screened is None:
                return False
            answer, state, original, why = screened.answer, "screened", screened.by, screened.why
            reason = screened.reason
        told = {"of_trial_number": original and original.number, "reason": reason, "message": why}
        columns = request.columns() | told | answer.columns()
        row = search.store.answer_trial(search.study.id, request.number, state, **columns)
        self._add(row)
        search.reporter.show_untrained(row)
        return True

    def _answer_again(self, original: Trial) -> Evaluation:
        if original.purpose != "baseline":
            return _read_answer(original)
        assert self._baseline_mean is not None
        return self._search.formulation.evaluation(original, self._baseline_mean)

    def _add(self, row: Trial) -> None:
        if self._search.history.add(row):
            self._search.reporter.show_best(row)


def _read_answer(row: Trial) -> Evaluation:
    """Return what the solver is told of a recorded trial."""
    if row.objective is None:
        return Evaluation.failure(screened=row.state == "screened")
    others = tuple(row.other_objectives or ())
    return Evaluation(
        row.objective, tuple(row.constraints or ()), screened=row.state == "screened", others=others
    )


def _refuse_another_ask(ask: Ask, row: Trial) -> None:
    if (dict(ask.point), ask.replicate) != (row.point, row.replicate):
        raise NotReproducible(
            f"the solver now proposes {dict(ask.point)}, replicate {ask.replicate}, as trial {row.number}, "
            f"but the results database has {row.point}, replicate {row.replicate}; nothing was changed, "
            "start another --study"
        )

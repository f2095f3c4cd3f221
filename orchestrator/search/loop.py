"""The loop of a search: ask the solver, train, record, tell.

Its only state is in the database. A resumed search asks the solver from the start and answers from the
recorded rows, until the solver proposes points that have no row. Each proposed point is compared with its
row; if they differ, the search stops.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.pruners.learning_curve import (
    MOST_CURVES,
    NEVER,
    Finished,
    LearningCurvePruner,
    PrunerConfig,
    points,
)
from orchestrator.search.budget import StudyBudget
from orchestrator.search.confirmation import ConfidenceTarget, Confirmation
from orchestrator.search.history import TrialHistory
from orchestrator.search.solver_session import NotReproducible, SolverSession
from orchestrator.spec.formulation import Formulation, accuracy
from orchestrator.spec.problem import Evaluation
from orchestrator.spec.trial_config import TrialTemplate
from orchestrator.trainer_client import NetworkDescriber, Stopped, network_key
from orchestrator.trial.outcome import is_open, is_training, spent
from orchestrator.trial.progress import ProgressDisplay
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.runner import Runner
from results.db.store import Store
from results.db.tables import Trial
from search_spaces import Point

MAX_UNTRAINED_IN_A_ROW = 500


@dataclass
class SearchLoop:
    """One run of one search. `budget` covers its trainings, those of the baseline and the repeats."""

    store: Store
    study_id: int
    formulation: Formulation
    training: TrialTemplate
    proposals: SolverSession
    trainer_client: NetworkDescriber
    runner: Runner
    display: ProgressDisplay
    stop: threading.Event
    budget: StudyBudget
    baseline_mean: float | None = None  # a fraction; None if the user gave the required accuracy
    rows: dict[int, Trial] = field(default_factory=dict)  # by number; all of the study
    trust: ConfidenceTarget = field(default_factory=ConfidenceTarget)
    policy: PrunerConfig = field(default_factory=lambda: NEVER.policy)  # of early stopping
    next_number: int = 1  # the first trial number that no iteration has used

    def __post_init__(self) -> None:
        self.confirmer = self._confirmer()  # None if there is no required accuracy
        self._ledger = TrialHistory(self.rows, self.formulation)

    def run(self) -> str:
        """Search until the budget is spent or the solver has finished, and return a text that says which.

        Raise Stopped, TrainerRefused, NotReproducible, SolverFailed, ExecutorError or a StoreError.
        """
        untrained = 0
        first = self._free_number(self.proposals.reign.first)
        while (on_record := self._ledger.has_search_trial_from(first)) or self._goes_on():
            points = self.proposals.ask(None if on_record else first, self._pause)
            if points is None:
                return f"the solver has finished after {spent(self._own):.4g} trainings"
            self.next_number = first + len(points)
            answers = self._answer(first, points)
            if answers is None:
                break
            self.proposals.tell(answers)
            block = [self.rows[first + i] for i in range(len(points))]
            untrained = 0 if any(is_training(row) for row in block) else untrained + len(block)
            if untrained >= MAX_UNTRAINED_IN_A_ROW:
                return (
                    f"the solver's last {untrained} candidates were duplicates or skipped, so no "
                    "training was needed"
                )
            first = self._free_number(self.next_number)
        return self.budget.spent_text(self.rows.values(), self._own)

    @property
    def _own(self) -> list[Trial]:
        """All rows except those retrained after the search had ended, in this run or before a resume."""
        if self.formulation.confirms:
            return list(self.rows.values())
        return [row for row in self.rows.values() if row.purpose != "confirmation"]

    @property
    def incumbent(self) -> Trial | None:
        """The smallest confirmed network."""
        return self.confirmer.incumbent if self.confirmer else None

    def close(self) -> None:
        """End the solver."""
        self.proposals.close()

    def _confirmer(self) -> Confirmation | None:
        """Return what confirms networks. A restarted solver starts from what earlier iterations confirmed."""
        if not self.formulation.confirms:
            return None
        settled = [row for row in self.rows.values() if row.number < self.proposals.reign.first]
        return Confirmation(
            self.store,
            self.study_id,
            self.formulation,
            self.training,
            self.trainer_client,
            self.runner,
            self.display,
            self.rows,
            self.trust,
            self.budget,
            incumbent=self.formulation.best([row for row in settled if row.verdict == "confirmed"]),
        )

    def _pause(self) -> None:
        """Stop or keep the study's lock while the solver computes; called several times a second."""
        self.display.tick([])
        if self.stop.is_set():
            raise Stopped

    def _free_number(self, number: int) -> int:
        """Return the first number from `number` on that no baseline trial or repeat has."""
        while number in self.rows and self.rows[number].purpose != "search":
            number += 1
        return number

    def _answer(self, first: int, points: Sequence[Point]) -> list[Evaluation] | None:
        """Return what the solver is told of an iteration; None if the budget ends before its end."""
        numbers = range(first, first + len(points))
        orders, repeats = list[TrialRequest](), list[TrialRequest]()
        taken = self._trained_among(numbers)
        for order in self._due(first, points):
            if order.row is None and order.key in taken:
                repeats.append(order)
            elif order.row is not None or not self._answer_untrained(order):
                orders.append(order)
                taken.add(order.key)
        rule = self._rule(first) if orders else NEVER
        # a trial that is stopped early leaves some of the budget to the others
        while due := self.budget.reached(orders, self.rows.values()):
            for trial in self.runner.run(due, self.formulation.evaluation, rule):
                self._keep(trial)
            reached = {order.number for order in due}
            orders = [order for order in orders if order.number not in reached]
        if orders or any(is_open(self.rows[n]) for n in numbers if n in self.rows):
            return None
        if not self._settled(numbers):
            return None
        for order in repeats:
            self._answer_untrained(order)
        return [_heard(self.rows[n]) for n in numbers] if all(n in self.rows for n in numbers) else None

    def _due(self, first: int, points: Sequence[Point]) -> list[TrialRequest]:
        """Return the requests for those points that have no result yet."""
        numbered = dict(enumerate(points, start=first))
        for number, point in numbered.items():
            if number in self.rows:
                _hold(point, self.rows[number])
        due = {n: p for n, p in numbered.items() if n not in self.rows or is_open(self.rows[n])}
        configs = {n: self.training.config(self.formulation.choice(point)) for n, point in due.items()}
        described = self.trainer_client.describe_all(list(configs.values()))
        return [
            TrialRequest(
                n, "search", dict(due[n]), 0, config, one, network_key(one, config), self.rows.get(n)
            )
            for (n, config), one in zip(configs.items(), described, strict=True)
        ]

    def _trained_among(self, numbers: range) -> set[str | None]:
        """Return the keys of an iteration's trainings: a duplicate of one of them waits for its result."""
        known = (self.rows[number] for number in numbers if number in self.rows)
        return {row.network_key for row in known if is_training(row)}

    def _settled(self, numbers: range) -> bool:
        """Confirm what the iteration found, if anything; return whether the budget was enough for a
        verdict.
        """
        if self.confirmer is None:
            return True
        before = self.incumbent
        settled = self.confirmer.settle(numbers)
        if any(self.rows[number].verdict for number in numbers if number in self.rows):
            self._ledger.weigh()
        if self.incumbent is not None and self.incumbent is not before:
            self.display.best(self.incumbent)
        return settled

    def _goes_on(self) -> bool:
        self.formulation.check_measured(self.rows.values())
        return self.budget.reaches_a_training(self.rows.values())

    def _rule(self, first: int) -> LearningCurvePruner:
        """Return the early-stopping rule of an iteration, learnt from the trials before it."""
        if not self.policy.level:
            return NEVER
        settled = [row for row in self.rows.values() if row.number < first and row.state == "completed"]
        bound = self.formulation.hurdle(settled)
        if bound is None:
            return NEVER
        latest = heapq.nlargest(MOST_CURVES, settled, key=lambda row: row.number)[::-1]
        curves = self.store.curves(self.study_id, [row.number for row in latest])
        finished = [Finished(points(curves.get(row.number, [])), accuracy(row)) for row in latest]
        return LearningCurvePruner(
            tuple(finished), bound, self.training.validation_images, self.policy, self.training.seed
        )

    def _answer_untrained(self, order: TrialRequest) -> bool:
        """Record `order` as a duplicate or as skipped, if it is one; return whether it was."""
        original, why = self._ledger.trained(order.key), None
        if original is not None:
            heard, state = self._heard_again(original), "duplicate"
        else:
            screened = self.formulation.screened(order.description, self.incumbent)
            if screened is None:
                return False
            heard, state, original, why = screened.answer, "screened", screened.by, screened.why
        columns = order.columns() | {"of_trial_number": original and original.number, "message": why}
        columns |= heard.columns()
        row = self.store.answer_trial(self.study_id, order.number, state, **columns)
        self._keep(row)
        self.display.answered(row)
        return True

    def _heard_again(self, original: Trial) -> Evaluation:
        if original.purpose != "baseline":
            return _heard(original)
        assert self.baseline_mean is not None
        return self.formulation.evaluation(original, self.baseline_mean)

    def _keep(self, row: Trial) -> None:
        if self._ledger.keep(row):
            self.display.best(row)


def _heard(row: Trial) -> Evaluation:
    if row.objective is None:
        return Evaluation.failure()
    others = tuple(row.other_objectives or ())
    return Evaluation(
        row.objective, tuple(row.constraints or ()), screened=row.state == "screened", others=others
    )


def _hold(point: Point, row: Trial) -> None:
    if dict(point) != row.point:
        raise NotReproducible(
            f"the solver now proposes {dict(point)} as trial {row.number}, but the results database has "
            f"{row.point}; nothing was changed, start another --study"
        )

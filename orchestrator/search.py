"""The loop of a search: ask the solver, train, record, tell.

It keeps no state but the record. Run again, it asks the solver from the start and answers from
the rows until a question comes up that has none; each question is held against its row, so a
search that would go another way than its record stops instead.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.confirm import Confirmer, Trust
from orchestrator.describe import Describes, Stopped, network_key
from orchestrator.display import Display
from orchestrator.early_stop import NEVER, Finished, Policy, Rule, points
from orchestrator.formulation import Formulation, accuracy
from orchestrator.outcome import affordable, is_open, is_training, spent
from orchestrator.problem import Evaluation
from orchestrator.proposals import NotReproducible, Proposals
from orchestrator.runner import Order, Runner
from orchestrator.training import Training
from results.models import Trial
from results.store import Store
from search_spaces import Point

MAX_UNTRAINED_IN_A_ROW = 500


@dataclass
class Search:
    """One search, run once. `budget_trials` counts its trainings, the baseline's and the confirmations'."""

    store: Store
    study_id: int
    formulation: Formulation
    training: Training
    proposals: Proposals
    describer: Describes
    runner: Runner
    display: Display
    stop: threading.Event
    budget_trials: int
    baseline_mean: float | None = None  # a fraction; None where the bound was given
    rows: dict[int, Trial] = field(default_factory=dict)  # by number; all that the record holds
    trust: Trust = field(default_factory=Trust)
    policy: Policy = field(default_factory=lambda: NEVER.policy)  # of stopping hopeless trainings early
    next_number: int = 1  # the first number that no block of points has taken

    def __post_init__(self) -> None:
        self.confirmer = self._confirmer()  # None where no bound is to be kept

    def run(self) -> str:
        """Search until the budget is spent or the solver has finished, and say which it was.

        Raise Stopped, Refused, NotReproducible, SolverFailed or a StoreError.
        """
        untrained = 0
        first = self._free_number(self.proposals.reign.first)
        while (on_record := self._is_recorded(first)) or self._affordable_trainings():
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
                return f"the solver's last {untrained} points were all known without training"
            first = self._free_number(self.next_number)
        return f"the search has spent its {spent(self._own):.4g} trainings"

    @property
    def _own(self) -> list[Trial]:
        """All rows but those by which a front is known when its search has ended, here or before a resume."""
        if self.formulation.aim.objectives == 1:
            return list(self.rows.values())
        return [row for row in self.rows.values() if row.purpose != "confirmation"]

    @property
    def incumbent(self) -> Trial | None:
        """The smallest network that is confirmed."""
        return self.confirmer.incumbent if self.confirmer else None

    def close(self) -> None:
        """End the solver."""
        self.proposals.close()

    def _confirmer(self) -> Confirmer | None:
        """Return what confirms networks. A solver's successor begins where earlier blocks were settled."""
        if not self.formulation.confirms:
            return None
        settled = [row for row in self.rows.values() if row.number < self.proposals.reign.first]
        return Confirmer(
            self.store,
            self.study_id,
            self.formulation,
            self.training,
            self.describer,
            self.runner,
            self.display,
            self.rows,
            self.trust,
            self.budget_trials,
            incumbent=self.formulation.best([row for row in settled if row.verdict == "confirmed"]),
        )

    def _pause(self) -> None:
        """Called again and again while the solver thinks."""
        self.display.tick([])
        if self.stop.is_set():
            raise Stopped

    def _free_number(self, number: int) -> int:
        """Return the first number from `number` on that no baseline or confirmation trial has."""
        while number in self.rows and self.rows[number].purpose != "search":
            number += 1
        return number

    def _is_recorded(self, number: int) -> bool:
        return any(row.number >= number and row.purpose == "search" for row in self.rows.values())

    def _answer(self, first: int, points: Sequence[Point]) -> list[Evaluation] | None:
        """Return what the solver hears of a block, or None where the budget does not reach its end."""
        numbers = range(first, first + len(points))
        orders, repeats = list[Order](), list[Order]()
        for order in self._due(first, points):
            if order.row is None and self._repeats(order, orders, numbers):
                repeats.append(order)
            elif order.row is not None or not self._answer_untrained(order):
                orders.append(order)
        rule = self._rule(first) if orders else NEVER
        while due := self._affordable(orders):  # what is pruned leaves some of the budget to the others
            for trial in self.runner.run(due, self.formulation.evaluation, rule):
                self._keep(trial)
            orders = [order for order in orders if order not in due]
        if not self._settled(numbers):
            return None
        for order in repeats:
            self._answer_untrained(order)
        return [_heard(self.rows[n]) for n in numbers] if all(n in self.rows for n in numbers) else None

    def _due(self, first: int, points: Sequence[Point]) -> list[Order]:
        """Return the orders of those points whose answers the record lacks."""
        numbered = dict(enumerate(points, start=first))
        for number, point in numbered.items():
            if number in self.rows:
                _hold(point, self.rows[number])
        due = {n: p for n, p in numbered.items() if n not in self.rows or is_open(self.rows[n])}
        configs = {n: self.training.config(self.formulation.choice(point)) for n, point in due.items()}
        described = self.describer.describe_all(list(configs.values()))
        return [
            Order(n, "search", dict(due[n]), 0, config, one, network_key(one, config), self.rows.get(n))
            for (n, config), one in zip(configs.items(), described, strict=True)
        ]

    def _repeats(self, order: Order, orders: Sequence[Order], numbers: range) -> bool:
        """Whether another point of the block is the same training: this one waits for what comes of it."""
        trained = [self.rows[n].network_key for n in numbers if n in self.rows and is_training(self.rows[n])]
        return order.key in trained or any(order.key == other.key for other in orders)

    def _settled(self, numbers: range) -> bool:
        """Confirm what the block found, if anything; whether the budget reached a verdict."""
        if self.confirmer is None:
            return True
        before = self.incumbent
        settled = self.confirmer.settle(numbers)
        if self.incumbent is not None and self.incumbent is not before:
            self.display.best(self.incumbent)
        return settled

    def _affordable(self, orders: list[Order]) -> list[Order]:
        """Return those of `orders` that the budget reaches; a row on record is already paid for."""
        new = [order for order in orders if order.row is None][: self._affordable_trainings()]
        return [order for order in orders if order.row is not None or order in new]

    def _affordable_trainings(self) -> int:
        return affordable(self.budget_trials, self.rows.values())

    def _rule(self, first: int) -> Rule:
        """Return what the trainings of a block are held against, learnt from the trials before the block."""
        settled = [row for row in self.rows.values() if row.number < first and row.state == "completed"]
        bound = self.formulation.hurdle(settled) if self.policy.level else None
        if bound is None:
            return NEVER
        curves = self.store.curves(self.study_id)
        finished = [Finished(points(curves.get(row.number, [])), accuracy(row)) for row in settled]
        return Rule(tuple(finished), bound, self.training.validation_images, self.policy, self.training.seed)

    def _answer_untrained(self, order: Order) -> bool:
        """Record `order` as a duplicate or as screened, if it is either."""
        original, why = self._trained(order.key), None
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

    def _trained(self, key: str) -> Trial | None:
        """Return the trial that trained the network of `key` in the same way, if there is one."""
        ended = (row for row in self.rows.values() if row.state in ("completed", "failed", "pruned"))
        return next((row for row in ended if row.network_key == key and not is_open(row)), None)

    def _heard_again(self, original: Trial) -> Evaluation:
        if original.purpose != "baseline":
            return _heard(original)
        assert self.baseline_mean is not None
        return self.formulation.evaluation(original, self.baseline_mean)

    def _keep(self, row: Trial) -> None:
        self.rows[row.number] = row
        best = self.formulation.best(list(self.rows.values()))
        if best is not None and best.number == row.number and row.purpose == "search":
            self.display.best(best)


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
            f"the solver now proposes {dict(point)} as trial {row.number}, where the record has {row.point}; "
            f"the record stays as it is, start another --study"
        )

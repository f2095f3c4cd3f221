"""What the parts of a search share: the study's context, what is sought, and the study's trials, indexed.

Looking through all rows for every trial would take time that grows with their square; so each row is indexed
once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from orchestrator.search.budget import StudyBudget, study_budget
from orchestrator.search.known_sizes import KnownSizes
from orchestrator.spec.formulation import Formulation, accuracy, sought_value
from orchestrator.spec.problem import AccuracyGoal, Ask, Problem, Training
from orchestrator.spec.study_spec import StudySpec
from orchestrator.trainer_client import NetworkInfo, network_key
from orchestrator.trial import weights_policy
from orchestrator.trial.context import StudyContext
from orchestrator.trial.latency import LatencyProfiler
from orchestrator.trial.outcome import is_open
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.runner import Runner
from results.analysis.difference import BASE
from results.analysis.posterior import VerdictSettings
from results.db.tables import Trial

_TRAINED = ("completed", "failed", "pruned")


class TrialHistory:
    """The trials of one study: `rows` by number, and `best`, the winner so far."""

    def __init__(self, rows: Iterable[Trial], formulation: Formulation) -> None:
        self.rows = {row.number: row for row in rows}
        self._formulation = formulation
        self._last = 0  # the number of the search's last trial
        self._by_key: dict[str, int] = {}  # the first trial that trained a network
        self._retried = 0  # failures of trials with lower numbers say nothing
        for row in self.rows.values():
            self._index(row)
        self.best = formulation.best(list(self.rows.values()))

    def add(self, row: Trial) -> bool:
        """Keep the row of a trial that has ended; return whether it is now the best."""
        self.rows[row.number] = row
        self._index(row)
        self.best = self._formulation.best([row] if self.best is None else [self.best, row])
        return self.best is row

    def replace(self, row: Trial) -> None:
        """Keep the row of a trial that has a verdict now."""
        self.rows[row.number] = row
        self.best = self._formulation.best(list(self.rows.values()))

    def retry_failures(self, before: int) -> None:
        """Let networks be trained again whose trainings below a trial number have failed."""
        self._retried, self._by_key = before, {}
        for row in self.rows.values():
            self._index(row)

    def has_search_from(self, number: int) -> bool:
        """Whether the search has a trial with this number or a higher one."""
        return number <= self._last

    def find_trained(self, key: str) -> Trial | None:
        """Return the trial that trained the network with this `network_key`, if there is one."""
        number = self._by_key.get(key)
        return None if number is None else self.rows[number]

    def repeats(self, of: Trial | None, before: float = math.inf) -> list[Trial]:
        """Return the repeats of a trial, or the base network's trainings, with numbers below `before`."""
        asked = ("baseline", None) if of is None else ("confirmation", of.number)
        rows = (row for row in self.rows.values() if row.number < before)
        found = [row for row in rows if (row.purpose, row.of_trial_number) == asked]
        return sorted(found, key=lambda row: row.number)

    def trainings(self, before: float = math.inf) -> dict[int, dict[int, float]]:
        """Return the accuracies by replicate of each network that was trained again, by its trial's number.

        The base network is `BASE`. Only trials with numbers below `before` count.
        """
        found: dict[int, dict[int, float]] = {}
        for row in sorted(self.rows.values(), key=lambda row: row.number):
            is_repeat = row.purpose in ("baseline", "confirmation") and row.number < before
            if is_repeat and row.state == "completed":
                found.setdefault(row.of_trial_number or BASE, {})[row.replicate] = accuracy(row)
        return found

    def model_trainings(self, before: float = math.inf) -> tuple[Training, ...]:
        """Return the trainings with numbers below `before`, for the model of accuracy.

        Of one that was stopped early the predicted accuracy counts.
        """
        point = self._formulation.space.point
        return tuple(
            Training(point(row.point or {}), row.replicate, _model_score(row))
            for row in sorted(self.rows.values(), key=lambda row: row.number)
            if row.number < before and self._is_trained(row)
        )

    def repeat_merits(self, of: Trial, before: int) -> list[float]:
        """Return what these repeats are ranked by: their accuracies, 0 for one that failed, or numbers."""
        return [self._formulation.merit(row) for row in self.repeats(of, before)]

    def _index(self, row: Trial) -> None:
        if row.purpose == "search":
            self._last = max(self._last, row.number)
        if row.network_key and self._is_trained(row):
            self._by_key.setdefault(row.network_key, row.number)

    def _is_trained(self, row: Trial) -> bool:
        is_retried = row.state == "failed" and row.number < self._retried
        return row.state in _TRAINED and not is_open(row) and not is_retried


def _model_score(row: Trial) -> float | None:
    """Return what a training tells the model of accuracy; None if it failed."""
    return row.predicted_accuracy if row.state == "pruned" else sought_value(row)


@dataclass(frozen=True)
class SearchContext(StudyContext[StudySpec]):
    """The context of a study, with what a search adds once its required accuracy is known."""

    formulation: Formulation
    runner: Runner
    history: TrialHistory

    @cached_property
    def budget(self) -> StudyBudget:
        """Of all the study's trainings."""
        return study_budget(self.spec)

    @cached_property
    def sizes(self) -> KnownSizes:
        """What is known of networks before training."""
        trainer = self.trainer.trainer if isinstance(self.trainer, LatencyProfiler) else self.trainer
        return KnownSizes(self.spec, self.formulation, trainer)

    @cached_property
    def settings(self) -> VerdictSettings:
        """How the study decides whether a network is as accurate as it must be."""
        return VerdictSettings.read(self.study.question)

    @property
    def noise_images(self) -> int:
        """The validation images that count for the noise of the sought score."""
        return self.settings.images or self.spec.training.validation_images

    @cached_property
    def goal(self) -> AccuracyGoal | None:
        """What the solver needs to plan replicates itself; None if the loop confirms networks."""
        bound, request = self.formulation.min_accuracy, self.spec.request
        if bound is None or not self.settings.by_model:
            return None
        base = self.formulation.start if self.settings.compares_with_base else None
        noise = (self.noise_images, self.settings.overlap)
        return AccuracyGoal(
            base, bound, self.settings.tolerance, self.settings.needed, *noise, request.confirm
        )

    def add_goal(self, problem: Problem, first: int) -> Problem:
        """Return the problem of a solver whose first trial has this number, with its goal if it has one."""
        if self.goal is None:
            return problem
        known = self.history.model_trainings(first)
        return replace(problem, goal=replace(self.goal, trainings=known))

    def answer(self, number: int, ask: Ask, description: NetworkInfo) -> TrialRequest:
        """Return the request of what a solver asks for."""
        purpose, of = "search", None
        if ask.replicate and self.goal is not None and ask.point == self.goal.base:
            purpose = "baseline"
        elif ask.replicate:
            original = self.history.find_trained(network_key(description, self.spec.config(ask.point)))
            assert original is not None, f"replicate {ask.replicate} of {dict(ask.point)}, never trained"
            purpose, of = "confirmation", original.number
        row = self.history.rows.get(number)
        request = self.request(number, purpose, ask.point, ask.replicate, row, of, description)
        return replace(request, belief=ask.belief)

    def repeat(self, of: Trial | None, replicate: int, number: int) -> TrialRequest:
        """Return the request to train a trial's network again, with the images and seed of a replicate.

        of: None for the base network
        """
        row = self.history.rows.get(number)
        if of is None:
            start, described = self.formulation.start, self.spec.first
            return self.request(number, "baseline", start, replicate, row, description=described)
        point = self.formulation.space.point(of.point or {})
        return self.request(number, "confirmation", point, replicate, row, of.number)

    def train_repeats(self, requests: Sequence[TrialRequest]) -> bool:
        """Train those that have no result yet; return whether the budget was enough for all.

        Raise as `Runner.run` does.
        """
        due = [request for request in requests if request.row is None or is_open(request.row)]
        covered = self.budget.select(due, self.history.rows.values())
        trained = self.runner.run(covered)
        for row in trained:
            self.history.add(row)
        return len(covered) == len(due) and not any(map(is_open, trained))

    def remove_weights(self) -> None:
        """Remove the weights of those networks that the search will not name any more."""
        policy, history = self.spec.request.kept_weights, self.history
        found = weights_policy.superfluous(history.rows, policy, self.formulation, history.best)
        weights_policy.remove(self.store, found)

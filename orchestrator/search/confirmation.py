"""Confirm networks by repeated trainings before one is named the winner.

The smallest network that reached the required accuracy in one noisy training is often just the luckiest
(the winner's curse). So a candidate that reaches it, and is smaller than every confirmed network, is
retrained before the next iteration, with the images and seeds of the baseline's repeats. It is confirmed
when it is likely enough to reach the required accuracy, and rejected when it is more likely not to. After
the most repeats it is undecided. The first training is left out of the estimate, because the candidate was
selected by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from orchestrator.console.format import accuracy_text, belief_text
from orchestrator.search.budget import StudyBudget
from orchestrator.spec.formulation import Formulation, accuracy
from orchestrator.spec.trial_config import TrialTemplate
from orchestrator.trainer_client import NetworkDescriber, network_key
from orchestrator.trial.outcome import is_open
from orchestrator.trial.progress import ProgressDisplay
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.runner import Runner
from results.analysis.posterior import Posterior, believe, noisier, passing, pool_noise
from results.db.store import Store
from results.db.tables import Trial

HOPELESS = 0.5  # the probability at which a network is rejected; benchmarks/truth.py compares others

AT_A_TIME = 2  # repeats of one candidate that are trained in parallel, if iterations have as many candidates


@dataclass(frozen=True)
class ConfidenceTarget:
    """What confirms a network: the confidence `level` of the final answer, and the `most` repeats."""

    level: float = 0.95
    most: int = 6
    at_a_time: int = 1  # repeats that are trained before the probability is computed again

    @property
    def passing(self) -> float:
        """The probability that confirms one network."""
        return passing(self.level)


@dataclass(frozen=True)
class Winner:
    """The network that a search found; `probability` is None if it was never retrained."""

    trial: Trial
    status: Literal["provisional", "confirmed"]
    belief: Posterior | None  # None if there is no required accuracy
    probability: float | None = None

    def columns(self) -> dict[str, Any]:
        """Return a model's columns about its accuracy: that of its repeats, or of its only training."""
        known = {"status": self.status, "probability": self.probability}
        if self.belief is None:
            return known | {"val_accuracy": self.trial.val_accuracy, "trainings": 1}
        low, high = self.belief.interval()
        of_all = {"val_accuracy": self.belief.mean, "trainings": self.belief.trainings}
        return known | of_all | {"accuracy_low": low, "accuracy_high": high}


@dataclass
class Confirmation:
    """Confirms and rejects the candidates of one search, in the order in which they came.

    Its decisions depend only on the rows before it, so a resumed search decides the same.
    """

    store: Store
    study_id: int
    formulation: Formulation
    training: TrialTemplate
    trainer_client: NetworkDescriber
    runner: Runner
    display: ProgressDisplay
    rows: dict[int, Trial]  # the search's, by number
    trust: ConfidenceTarget
    budget: StudyBudget  # of all the study's trainings
    incumbent: Trial | None = None  # the smallest network confirmed so far

    def settle(self, numbers: range) -> bool:
        """Decide on the candidates among the trials of an iteration, the smallest first.

        Return False if the budget ends before a verdict. Raise as `Runner.run` does.
        """
        for row in self._candidates(numbers) if self.trust.most else []:
            verdict = row.verdict or self._verdict(row, numbers.stop)
            if verdict == "confirmed":
                self.incumbent = self.rows[row.number]
                return True  # the others are larger
            if verdict is None:
                return False
        return True

    def winner(self) -> Winner | None:
        """Return the confirmed network, or else the best that met the required accuracy once, if any."""
        if self.incumbent is not None:
            accuracies = self._accuracies(self.incumbent, max(self.rows))
            belief = self._belief(accuracies, max(self.rows))
            return Winner(self.incumbent, "confirmed", belief, self.incumbent.probability)
        row = self.formulation.best(list(self.rows.values()))
        if row is None:
            return None
        again = [a for a in self._accuracies(row, max(self.rows)) if a is not None]
        belief = self._belief(again or [accuracy(row)], max(self.rows))
        return Winner(row, "provisional", belief, belief.probability(self._bound) if again else None)

    @property
    def _bound(self) -> float:
        assert self.formulation.min_accuracy is not None
        return self.formulation.min_accuracy

    def _candidates(self, numbers: range) -> list[Trial]:
        """Return the trials that met the required accuracy and are smaller than the incumbent, by size."""
        rows = [self.rows[number] for number in numbers if number in self.rows]
        passed = [r for r in rows if self.formulation.passed(r) and self._is_cheaper(r)]
        return sorted(passed, key=lambda row: (self.formulation.size(row), row.number))

    def _is_cheaper(self, row: Trial) -> bool:
        return self.incumbent is None or self.formulation.size(row) < self.formulation.size(self.incumbent)

    def _verdict(self, candidate: Trial, first_number: int) -> str | None:
        """Retrain the candidate until there is a verdict, and record it; None if the budget ends first."""
        step = self.trust.at_a_time
        for first in range(1, self.trust.most + 1, step):
            replicates = range(first, min(first + step, self.trust.most + 1))
            orders = self._orders(candidate, replicates, first_number)
            due = [order for order in orders if order.row is None or is_open(order.row)]
            paid = self.budget.reached(due, self.rows.values())
            trained = self.runner.run(paid)
            self.rows |= {row.number: row for row in trained}
            if len(paid) < len(due) or any(map(is_open, trained)):
                return None
            verdict = self._judged(candidate, orders[-1])
            if verdict is not None:
                return verdict
        return None

    def _judged(self, candidate: Trial, last: TrialRequest) -> str | None:
        """Record the verdict, if the repeats up to `last` give one."""
        trained = self._accuracies(candidate, last.number)
        known = [a for a in trained if a is not None]
        belief = self._belief(known or [0.0], last.number)
        has_failed = len(known) < len(trained)
        probability = 0.0 if has_failed else belief.probability(self._bound)
        if self.trust.passing > probability > HOPELESS and last.replicate < self.trust.most:
            return None
        verdict = "confirmed" if probability >= self.trust.passing else "undecided"
        verdict = verdict if probability > HOPELESS else "rejected"
        self._record(candidate, verdict, trained, belief, probability)
        return verdict

    def _record(
        self,
        candidate: Trial,
        verdict: str,
        trained: Sequence[float | None],
        belief: Posterior,
        probability: float,
    ) -> None:
        """Record the verdict, and with it what the solver is told: without confirmation a constraint is
        missed.
        """
        mean = sum(a or 0.0 for a in trained) / len(trained)
        missed = (
            self._bound - mean if verdict == "confirmed" else max(self._bound - mean, belief.standard_error)
        )
        detail: dict[str, Any] = {
            "number": candidate.number,
            "accuracies": list(trained),
            "bound": self._bound,
            "probability": probability,
            "interval": list(belief.interval()),
        }
        heard = [missed, *(candidate.constraints or [])[1:]]  # the limits' are as they were
        row = self.store.judge_trial(
            candidate.id, verdict, detail, probability=probability, constraints=heard
        )
        self.rows[row.number] = row
        known, asked = belief_text(belief, probability), f"{self.trust.passing:.1%}"
        needed = "" if verdict == "confirmed" else f" ({asked} needed)"
        self.display.note(f"trial {row.number} {verdict}: {known} of {accuracy_text(self._bound)}{needed}")

    def _belief(self, accuracies: Sequence[float | None], up_to: int) -> Posterior:
        """Return the posterior from these trainings, with the noise estimated from the trials up to
        a number.
        """
        groups: dict[int | None, list[float]] = {}
        for row in self.rows.values():
            if (
                row.purpose in ("baseline", "confirmation")
                and row.state == "completed"
                and row.number <= up_to
            ):
                groups.setdefault(row.of_trial_number, []).append(accuracy(row))
        known = [a or 0.0 for a in accuracies]
        noise = pool_noise(
            groups.values(), noisier(self._bound, fmean(known)), self.training.validation_images
        )
        return believe(known, noise)

    def _accuracies(self, candidate: Trial, up_to: int) -> list[float | None]:
        """Return the accuracies of the repeats that have ended, None for one that failed."""
        rows = (row for row in self._replicates(candidate) if row.number <= up_to and not is_open(row))
        return [row.val_accuracy for row in rows]

    def _replicates(self, candidate: Trial) -> Iterator[Trial]:
        rows = sorted(self.rows.values(), key=lambda row: row.number)
        return (r for r in rows if r.purpose == "confirmation" and r.of_trial_number == candidate.number)

    def _orders(self, candidate: Trial, replicates: range, first_number: int) -> list[TrialRequest]:
        """Return one request per repeat, with its row if there is one; numbers follow those of the
        iteration.
        """
        recorded = {row.replicate: row for row in self._replicates(candidate)}
        number, orders = max(first_number, max(self.rows) + 1), list[TrialRequest]()
        for replicate in replicates:
            row = recorded.get(replicate)
            orders.append(self._order(candidate, replicate, row.number if row else number, row))
            number += row is None
        return orders

    def _order(self, candidate: Trial, replicate: int, number: int, row: Trial | None) -> TrialRequest:
        point = self.formulation.space.point(candidate.point or {})
        config = self.training.config(self.formulation.choice(point), replicate)
        description = self.trainer_client.describe(config)
        key = network_key(description, config)
        return TrialRequest(
            number, "confirmation", dict(point), replicate, config, description, key, row, candidate.number
        )

"""Confirm networks by repeated trainings before one is named the winner.

The smallest network that reached the required accuracy in one noisy training is often just the luckiest
(the winner's curse). So a candidate that reaches it, and is smaller than every confirmed network, is
retrained before the next iteration, with the images and seeds of the baseline's repeats. It is confirmed
when it is likely enough to reach the required accuracy, and rejected when it is more likely not to. After
the most repeats it is undecided. The first training is left out of the estimate, because the candidate was
selected by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from orchestrator.console.format import accuracy_text, belief_text
from orchestrator.search.context import SearchContext
from orchestrator.spec.formulation import accuracy
from orchestrator.trial.outcome import is_open
from orchestrator.trial.request import TrialRequest
from results.analysis.posterior import Posterior, believe, noisier, passing, pool_noise
from results.db.tables import Trial

HOPELESS = 0.5  # the probability at which a network is rejected; benchmarks/truth.py compares others

AT_A_TIME = 2  # repeats of one candidate that are trained in parallel, if iterations have as many candidates


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


class Confirmation:
    """Confirms and rejects the candidates of one search, in the order in which they came.

    Its decisions depend only on the rows before it, so a resumed search decides the same. `incumbent` is the
    smallest network confirmed so far. `first`: the number of the solver's first trial, since a restarted
    solver starts from what earlier iterations confirmed.
    """

    def __init__(self, search: SearchContext, first: int) -> None:
        self._search = search
        self._formulation = search.formulation
        self._rows = search.history.rows
        self._most = search.spec.request.confirm  # repeats of a candidate
        self._needed = passing(search.spec.request.confidence)  # the probability that confirms a network
        self._at_a_time = min(search.study.question["solver"]["block"], AT_A_TIME)
        confirmed = [row for row in self._rows.values() if row.verdict == "confirmed" and row.number < first]
        self.incumbent = self._formulation.best(confirmed)

    def decide(self, numbers: range) -> bool:
        """Decide on the candidates among the trials of an iteration, the smallest first.

        Return False if the budget ends before a verdict. Raise as `Runner.run` does.
        """
        for row in self._candidates(numbers) if self._most else []:
            verdict = row.verdict or self._confirm(row, numbers.stop)
            if verdict == "confirmed":
                self.incumbent = self._rows[row.number]
                return True  # the others are larger
            if verdict is None:
                return False
        return True

    def winner(self) -> Winner | None:
        """Return the confirmed network, or else the best that met the required accuracy once, if any."""
        end = max(self._rows, default=0)
        if self.incumbent is not None:
            belief = self._belief(self._accuracies(self.incumbent, end), end)
            return Winner(self.incumbent, "confirmed", belief, self.incumbent.probability)
        row = self._search.history.best
        if row is None:
            return None
        again = [a for a in self._accuracies(row, end) if a is not None]
        belief = self._belief(again or [accuracy(row)], end)
        return Winner(row, "provisional", belief, belief.probability(self._bound) if again else None)

    @property
    def _bound(self) -> float:
        assert self._formulation.min_accuracy is not None
        return self._formulation.min_accuracy

    def _candidates(self, numbers: range) -> list[Trial]:
        """Return the trials that met the required accuracy and are smaller than the incumbent, by size."""
        size = self._formulation.size
        rows = [self._rows[number] for number in numbers if number in self._rows]
        passed = [row for row in rows if self._formulation.passed(row)]
        smaller = [row for row in passed if self.incumbent is None or size(row) < size(self.incumbent)]
        return sorted(smaller, key=lambda row: (size(row), row.number))

    def _confirm(self, candidate: Trial, first_number: int) -> str | None:
        """Retrain the candidate until there is a verdict, and record it; None if the budget ends first."""
        for first in range(1, self._most + 1, self._at_a_time):
            replicates = range(first, min(first + self._at_a_time, self._most + 1))
            requests = self._requests(candidate, replicates, first_number)
            if not self._search.train_repeats(requests):
                return None
            verdict = self._judge(candidate, requests[-1])
            if verdict is not None:
                return verdict
        return None

    def _requests(self, candidate: Trial, replicates: range, first_number: int) -> list[TrialRequest]:
        """Return one request per repeat; the numbers of new ones follow those of the iteration."""
        recorded = {row.replicate: row.number for row in self._search.history.repeats(candidate)}
        free, requests = max(first_number, max(self._rows) + 1), list[TrialRequest]()
        for replicate in replicates:
            requests.append(self._search.repeat(candidate, replicate, recorded.get(replicate, free)))
            free += replicate not in recorded
        return requests

    def _judge(self, candidate: Trial, last: TrialRequest) -> str | None:
        """Record the verdict, if the repeats up to `last` give one."""
        trained = self._accuracies(candidate, last.number)
        known = [a for a in trained if a is not None]
        belief = self._belief(known or [0.0], last.number)
        has_failed = len(known) < len(trained)
        probability = 0.0 if has_failed else belief.probability(self._bound)
        if self._needed > probability > HOPELESS and last.replicate < self._most:
            return None
        verdict = "confirmed" if probability >= self._needed else "undecided"
        verdict = verdict if probability > HOPELESS else "rejected"
        detail: dict[str, Any] = {
            "number": candidate.number,
            "accuracies": trained,
            "bound": self._bound,
            "probability": probability,
            "interval": list(belief.interval()),
        }
        missed = self._bound - sum(a or 0.0 for a in trained) / len(trained)
        if verdict != "confirmed":  # the solver is told of a constraint that is missed
            missed = max(missed, belief.standard_error)
        constraints = [missed, *(candidate.constraints or [])[1:]]  # the limits' are as they were
        row = self._search.store.judge_trial(
            candidate.id, verdict, detail, probability=probability, constraints=constraints
        )
        self._search.history.replace(row)
        needed = "" if verdict == "confirmed" else f" ({self._needed:.1%} needed)"
        text = f"{belief_text(belief, probability)} of {accuracy_text(self._bound)}{needed}"
        self._search.reporter.note(f"trial {row.number} {verdict}: {text}")
        return verdict

    def _belief(self, accuracies: Sequence[float | None], up_to: int) -> Posterior:
        """Return the posterior from these trainings, with the noise of the trials up to a number."""
        groups: dict[int | None, list[float]] = {}
        for row in self._rows.values():
            is_repeated = row.purpose in ("baseline", "confirmation")
            if is_repeated and row.state == "completed" and row.number <= up_to:
                groups.setdefault(row.of_trial_number, []).append(accuracy(row))
        known = [a or 0.0 for a in accuracies]
        images = self._search.spec.training.validation_images
        return believe(known, pool_noise(groups.values(), noisier(self._bound, fmean(known)), images))

    def _accuracies(self, candidate: Trial, up_to: int) -> list[float | None]:
        """Return the accuracies of the repeats that have ended, None for one that failed."""
        rows = self._search.history.repeats(candidate, up_to + 1)
        return [row.val_accuracy for row in rows if not is_open(row)]

"""Confirm networks by repeated trainings before one is named the winner.

The smallest network that reached the required accuracy in one noisy training is often just the luckiest
(the winner's curse). So a candidate that reaches it, and is smaller than every confirmed network, is
retrained before the next iteration, with the images and seeds of the baseline's repeats. `verdict.py` says
what the repeats tell, and whether the candidate or the base network is trained again. The first training is
left out of the estimate, because the candidate was selected by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.search.context import SearchContext
from orchestrator.search.verdict import BaseRule, BoundRule, Judgement, Repeats, Rule
from orchestrator.spec.formulation import accuracy, sought_value
from orchestrator.trial.request import TrialRequest
from results.analysis.difference import COLUMNS, UNKNOWN
from results.analysis.posterior import Posterior
from results.db.tables import Trial


@dataclass(frozen=True)
class Winner:
    """The network that a search found.

    belief: None if there is no required accuracy
    probability: None if it was never retrained
    difference: columns about its difference from the base network, where it was compared with that
    """

    trial: Trial
    status: Literal["provisional", "confirmed"]
    belief: Posterior | None
    probability: float | None = None
    difference: Mapping[str, Any] = field(default_factory=lambda: UNKNOWN)

    def columns(self) -> dict[str, Any]:
        """Return a model's columns about its accuracy: that of its repeats, or of its only training."""
        known = {"status": self.status, "probability": self.probability, **self.difference}
        if self.belief is None:
            return known | {"val_accuracy": sought_value(self.trial), "trainings": 1}
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
        self._rule = _make_rule(search)
        confirmed = [row for row in self._rows.values() if row.verdict == "confirmed" and row.number < first]
        self.incumbent = self._formulation.best(confirmed)

    def decide(self, numbers: range) -> bool:
        """Decide on the candidates among the trials of an iteration, the smallest first.

        Return False if the budget ends before a verdict. Raise as `Runner.run` does.
        """
        for row in self._candidates(numbers) if self._search.spec.request.confirm else []:
            verdict = row.verdict or self._confirm(row, numbers.stop)
            if verdict == "confirmed":
                self.incumbent = self._rows[row.number]
                return True  # the others are larger
            if verdict is None:
                return False
        return True

    def winner(self) -> Winner | None:
        """Return the confirmed network, or else the best that met the required accuracy once, if any."""
        rows = self._rows.values()
        failed = {
            row.of_trial_number for row in rows if row.purpose == "confirmation" and row.state == "failed"
        }
        row = self.incumbent or self._formulation.best([row for row in rows if row.number not in failed])
        if row is None:
            return None
        trainings = self._search.history.trainings()
        known: Mapping[str, Any]
        if self.incumbent is not None:
            known = {name: getattr(row, name) for name in COLUMNS}
            return Winner(row, "confirmed", self._rule.believe(row.number, trainings), row.probability, known)
        if row.number not in trainings:
            alone = {**trainings, row.number: {0: accuracy(row)}}
            return Winner(row, "provisional", self._rule.believe(row.number, alone))
        judged = self._rule.judge(row.number, trainings)
        known = judged.difference.columns() if judged.difference else UNKNOWN
        return Winner(row, "provisional", judged.belief, judged.probability, known)

    def _candidates(self, numbers: range) -> list[Trial]:
        """Return the trials that met the required accuracy and are smaller than the incumbent, by size."""
        size = self._formulation.size
        rows = [self._rows[number] for number in numbers if number in self._rows]
        passed = [row for row in rows if self._formulation.passed(row)]
        smaller = [row for row in passed if self.incumbent is None or size(row) < size(self.incumbent)]
        return sorted(smaller, key=lambda row: (size(row), row.number))

    def _confirm(self, candidate: Trial, first_number: int) -> str | None:
        """Retrain the candidate until there is a verdict, and record it; None if the budget ends first."""
        repeats = Repeats(tuple(range(1, min(self._rule.at_a_time, self._rule.most) + 1)))
        while True:
            requests = self._requests(candidate, repeats, first_number)
            if any(request.purpose == "baseline" and request.row is None for request in requests):
                note = f"training the base network again, to compare trial {candidate.number} with it"
                self._search.reporter.note(note)
            if not self._search.train_repeats(requests):
                return None
            last = requests[-1].number
            judged = self._judge(candidate, last)
            if verdict := judged.verdict(self._rule.settings.needed):
                self._record(candidate, verdict, judged, last)
                return verdict
            repeats = judged.next

    def _requests(self, candidate: Trial, repeats: Repeats, first_number: int) -> list[TrialRequest]:
        """Return one request per repeat, by number; the numbers of new ones follow those of the iteration."""
        search, free = self._search, max(first_number, max(self._rows) + 1)
        requests = list[TrialRequest]()
        for of, replicates in ((candidate, repeats.candidate), (None, repeats.base)):
            recorded = {row.replicate: row.number for row in search.history.repeats(of)}
            for replicate in replicates:
                requests.append(search.repeat(of, replicate, recorded.get(replicate, free)))
                free += replicate not in recorded
        return sorted(requests, key=lambda request: request.number)

    def _judge(self, candidate: Trial, up_to: int) -> Judgement:
        """Judge a candidate by the trials up to a number only, so that a resumed search judges the same."""
        history = self._search.history
        trainings, repeats = history.trainings(up_to + 1), history.repeats(candidate, up_to + 1)
        if any(row.state == "failed" for row in repeats):
            return self._rule.reject(candidate.number, trainings, [accuracy(row) for row in repeats])
        tried = {row.replicate for row in history.repeats(None, up_to + 1)}
        return self._rule.judge(candidate.number, trainings, tried)

    def _record(self, candidate: Trial, verdict: str, judged: Judgement, up_to: int) -> None:
        """Record a verdict, and what the solver is told: the accuracy that the candidate lacks."""
        detail: dict[str, Any] = {
            "number": candidate.number,
            "accuracies": [sought_value(row) for row in self._search.history.repeats(candidate, up_to + 1)],
            "bound": self._formulation.min_accuracy,
            "interval": list(judged.belief.interval()),
            **judged.columns(),
        }
        missed = judged.missed if verdict == "confirmed" else max(judged.missed, judged.error)
        constraints = [missed, *(candidate.constraints or [])[1:]]  # the limits' are as they were
        row = self._search.store.judge_trial(
            candidate.id, verdict, detail, constraints=constraints, **judged.columns()
        )
        self._search.history.replace(row)
        needed = "" if verdict == "confirmed" else f" ({self._rule.settings.needed:.1%} needed)"
        text = self._search.sought.reword(judged.text)
        self._search.reporter.note(f"trial {row.number} {verdict}: {text}{needed}")


def _make_rule(search: SearchContext) -> Rule:
    """Return the rule of a search's settings, which may be those of an older version."""
    assert search.formulation.min_accuracy is not None
    return (BaseRule if search.settings.compares_with_base else BoundRule)(
        search.settings,
        search.formulation.min_accuracy,
        search.spec.request.confirm,
        search.study.question["solver"]["block"],
        search.noise_images,
    )

"""Name networks by the model of accuracy that also chose their trainings.

The solver plans replicates itself where the problem has a goal (`orchestrator/solvers/_accuracy_model.py`).
Here the same model, of the same trainings, says after each iteration which networks are as accurate as they
must be. A verdict follows from all trainings so far, so a later training may change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.console.format import accuracy_text, belief_text
from orchestrator.search.confirmation import Winner
from orchestrator.search.context import SearchContext
from orchestrator.search.verdict import Verdict, believe_accuracy, find_verdict
from orchestrator.spec.formulation import accuracy
from orchestrator.spec.problem import AccuracyGoal
from results.analysis.difference import COLUMNS, UNKNOWN
from results.analysis.posterior import Posterior
from results.db.tables import Trial
from results.format import comparison_text

if TYPE_CHECKING:
    from orchestrator.solvers._accuracy_model import Features


class ModelVerdicts:
    """The verdicts of one search. `incumbent` is the smallest confirmed network so far."""

    def __init__(self, search: SearchContext, goal: AccuracyGoal) -> None:
        self._search, self._goal = search, goal
        self._rows = search.history.rows
        self.incumbent = self._find_incumbent()

    def decide(self, numbers: range) -> bool:
        """Judge the networks that were trained again, by all trials up to an iteration's; return True.

        A resumed search does so after its last recorded iteration only: the verdicts on record are later.
        """
        if max(self._rows) < numbers.stop:
            self._judge()
            self.incumbent = self._find_incumbent()
        return True

    def winner(self) -> Winner | None:
        """Return the smallest confirmed network, or else the best that met the required accuracy once."""
        before = self.incumbent or self._search.history.best
        shown = before and (before.number, before.verdict)
        self._judge(is_over=True)
        self.incumbent = self._find_incumbent()
        row = self.incumbent or self._search.formulation.best(list(self._rows.values()))
        if row is None:
            return None
        if (row.number, row.verdict) != shown:
            self._search.reporter.show_best(row)
        status: Literal["provisional", "confirmed"]
        status = "provisional" if self.incumbent is None else "confirmed"
        known = {name: getattr(row, name) for name in COLUMNS}
        return Winner(row, status, self._believe(row), row.probability, known)

    def _find_incumbent(self) -> Trial | None:
        return self._search.formulation.best([r for r in self._rows.values() if r.verdict == "confirmed"])

    def _judge(self, is_over: bool = False) -> None:
        """Record what has become of each network that was trained again. is_over: nothing more is trained."""
        from orchestrator.solvers._accuracy_model import fit_accuracy  # scipy takes a second to import

        history, space = self._search.history, self._search.formulation.space
        again = {row.of_trial_number for row in self._rows.values() if row.purpose == "confirmation"}
        candidates = [row for row in self._rows.values() if row.number in again and row.state == "completed"]
        if not candidates:
            return
        model = fit_accuracy(history.model_trainings(), self._goal, self._features)
        for row in sorted(candidates, key=lambda row: row.number):
            repeats = history.repeats(row)
            if not any(one.state in ("completed", "failed") for one in repeats):
                continue
            believed = model.belief(space.point(row.point or {}))
            has_failed = any(one.state == "failed" for one in repeats)
            compared = UNKNOWN if self._goal.base is None else {name: believed[name] for name in COLUMNS}
            columns = {"probability": 0.0 if has_failed else believed["probability"], **compared}
            verdict = find_verdict(columns["probability"], self._goal.level)
            if row.verdict or is_over or len(repeats) >= self._goal.repeats:
                verdict = verdict or "undecided"  # also in place of one that does not hold any more
            self._record(row, verdict, columns)

    @cached_property
    def _features(self) -> Features:
        """The inputs of the model: an earlier study's part of them is fitted once."""
        from orchestrator.solvers._earlier import model_features

        return model_features(self._search.spec.problem(self._search.formulation, 1))

    def _record(self, row: Trial, verdict: Verdict | None, columns: Mapping[str, Any]) -> None:
        """Record a verdict with what it follows from, and tell the user if it is a new one."""
        repeats = self._search.history.repeats(row)
        detail = {"number": row.number, "accuracies": [accuracy(one) for one in repeats], **columns}
        detail["bound"] = self._goal.bound
        self._search.history.replace(self._search.store.judge_trial(row.id, verdict, detail, **columns))
        if verdict not in (None, row.verdict):
            said = "is not confirmed any more" if row.verdict == "confirmed" else verdict
            self._search.reporter.note(f"trial {row.number} {said}: {self._text(row, columns)}")

    def _text(self, row: Trial, columns: Mapping[str, Any]) -> str:
        belief = self._believe(row)
        if self._goal.base is None:
            return f"{belief_text(belief, columns['probability'])} of {accuracy_text(self._goal.bound)}"
        goal = self._goal
        compared = comparison_text(columns["probability"], columns, goal.tolerance, needed=goal.level)
        return self._search.sought.reword(f"{compared}; {belief_text(belief, None)}")

    def _believe(self, row: Trial) -> Posterior:
        """Return the posterior of a network's accuracy, from its repeats, if it has any."""
        trainings, goal = self._search.history.trainings(), self._goal
        known = list(trainings.get(row.number, {0: accuracy(row)}).values())
        return believe_accuracy(known, trainings, goal.bound, goal.images, goal.overlap)

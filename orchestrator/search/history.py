"""The rows of a search, indexed.

Looking through all rows for every trial would take time that grows with their square; so each row is indexed
once.
"""

from __future__ import annotations

from orchestrator.spec.formulation import Formulation
from orchestrator.trial.outcome import is_open
from results.db.tables import Trial

_TRAINED = ("completed", "failed", "pruned")


class TrialHistory:
    """Index of the rows in `rows`, by number, and of those that `keep` adds."""

    def __init__(self, rows: dict[int, Trial], formulation: Formulation) -> None:
        self._rows = rows
        self._formulation = formulation
        self._last = 0  # the number of the search's last trial
        self._by_key: dict[str, int] = {}  # the first trial that trained a network
        for row in rows.values():
            self._index(row)
        self.best: Trial | None = None
        self.weigh()

    def weigh(self) -> None:
        """Find the best of all rows again, after verdicts have changed."""
        self.best = self._formulation.best(list(self._rows.values()))

    def has_search_trial_from(self, number: int) -> bool:
        """Whether the search has a trial with this number or a higher one."""
        return number <= self._last

    def trained(self, key: str) -> Trial | None:
        """Return the trial that trained the network with this `network_key`, if there is one."""
        number = self._by_key.get(key)
        return None if number is None else self._rows[number]

    def keep(self, row: Trial) -> bool:
        """Index a row; return whether it is now the best."""
        self._rows[row.number] = row
        self._index(row)
        self.best = self._formulation.best([row] if self.best is None else [self.best, row])
        return self.best is row

    def _index(self, row: Trial) -> None:
        if row.purpose == "search":
            self._last = max(self._last, row.number)
        if row.network_key and row.state in _TRAINED and not is_open(row):
            self._by_key.setdefault(row.network_key, row.number)

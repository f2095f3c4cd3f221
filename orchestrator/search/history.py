"""The rows of a search, and what is asked of all of them again and again.

A search that looked through its rows for every trial would take a time that grows with their square; so each
row is taken in once.
"""

from __future__ import annotations

from orchestrator.spec.formulation import Formulation
from orchestrator.trial.outcome import is_open
from results.db.tables import Trial

_TRAINED = ("completed", "failed", "pruned")


class TrialHistory:
    """Knows the rows of `rows`, by number, and of those that `keep` adds to them."""

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
        """Find the best of all rows anew, as after verdicts."""
        self.best = self._formulation.best(list(self._rows.values()))

    def has_search_trial_from(self, number: int) -> bool:
        """Whether the search has a trial of this number or a higher one."""
        return number <= self._last

    def trained(self, key: str) -> Trial | None:
        """Return the trial that trained the network of `key` in the same way, if there is one."""
        number = self._by_key.get(key)
        return None if number is None else self._rows[number]

    def keep(self, row: Trial) -> bool:
        """Take a row in; whether it is the best now."""
        self._rows[row.number] = row
        self._index(row)
        self.best = self._formulation.best([row] if self.best is None else [self.best, row])
        return self.best is row

    def _index(self, row: Trial) -> None:
        if row.purpose == "search":
            self._last = max(self._last, row.number)
        if row.network_key and row.state in _TRAINED and not is_open(row):
            self._by_key.setdefault(row.network_key, row.number)

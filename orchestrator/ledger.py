"""The rows of a search, and what is asked of all of them again and again.

A search that looked through its rows for every trial would take a time that grows with their square; so each
row is taken in once.
"""

from __future__ import annotations

from orchestrator.formulation import Formulation
from orchestrator.outcome import is_open
from results.models import Trial

_TRAINED = ("completed", "failed", "pruned")


class Ledger:
    """Knows the rows of `rows`, by number, and of those that `keep` adds to them."""

    def __init__(self, rows: dict[int, Trial], formulation: Formulation) -> None:
        self._rows = rows
        self._formulation = formulation
        self._last = 0  # the number of the search's last trial
        self._by_key: dict[str, int] = {}  # the first trial that trained a network
        for row in rows.values():
            self._index(row)
        self.best = formulation.best(list(rows.values()))

    def has_search_trial_from(self, number: int) -> bool:
        """Whether the search has a trial of this number or a higher one."""
        return number <= self._last

    def trained(self, key: str) -> Trial | None:
        """Return the trial that trained the network of `key` in the same way, if there is one."""
        number = self._by_key.get(key)
        return None if number is None else self._rows[number]

    def keep(self, row: Trial, incumbent: Trial | None) -> bool:
        """Take a row in; whether it is the best now. `incumbent`: the smallest network that is confirmed."""
        self._rows[row.number] = row
        self._index(row)
        leader = self._rows[self.best.number] if self.best else None  # a verdict may have come meanwhile
        rivals = [one for one in (leader, incumbent, row) if one is not None]
        if leader is not None and leader.verdict == "rejected":
            rivals = list(self._rows.values())
        self.best = self._formulation.best(rivals)
        return self.best is row

    def _index(self, row: Trial) -> None:
        if row.purpose == "search":
            self._last = max(self._last, row.number)
        if row.network_key and row.state in _TRAINED and not is_open(row):
            self._by_key.setdefault(row.network_key, row.number)

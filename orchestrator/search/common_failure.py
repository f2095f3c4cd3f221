"""End a search whose first trainings all fail for one reason, since the later ones would fail as well.

The same command tries again once the cause is mended: the solver begins anew, with the next trial number. The
failed trials stay on record and count in the budget, but say nothing about their networks any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from orchestrator.search.baseline import find_remedy
from orchestrator.trial.outcome import is_open
from results import file_names
from results.db.tables import Trial

FEWEST = 4  # trainings: the start and the next three
RETRY = "failures_retried"  # the event's kind
# Reasons that a candidate's size does not explain. Out of memory, for example, is no reason to end a search
# whose base network was trained: other candidates may fit.
_OF_ANY_SIZE = {"crashed", "no_result", "bad_report", "too_much_output"}


class TrainingsFailed(RuntimeError):
    """The first trainings of a search have all failed for one reason."""


def has_success(rows: Collection[Trial]) -> bool:
    """Whether a training of the search has succeeded, to its end or until it was stopped early."""
    return any(row.purpose == "search" and row.state in ("completed", "pruned") for row in rows)


def find_common_failure(rows: Collection[Trial], first: int, has_base: bool) -> list[Trial]:
    """Return the search's first trainings if all have failed for one reason, and none has succeeded since.

    first: the number of the solver's first trial. has_base: whether the base network was trained before; then
    only a reason that has nothing to do with the size of a network counts.
    """
    if has_success(rows):
        return []
    failed = [row for row in rows if row.purpose == "search" and row.state == "failed" and not is_open(row)]
    tried = sorted((row for row in failed if row.number >= first), key=lambda row: row.number)[:FEWEST]
    reasons = {row.reason or "" for row in tried}
    is_common = len(tried) == FEWEST and len(reasons) == 1 and (not has_base or reasons <= _OF_ANY_SIZE)
    return tried if is_common else []


def refuse_common_failure(failed: Sequence[Trial]) -> None:
    """Raise TrainingsFailed for what `find_common_failure` has found, if anything."""
    if not failed:
        return
    numbers, first = ", ".join(str(row.number) for row in failed), failed[0]
    said = f"{first.reason}, {first.message}"
    log = "" if "; see " in said else f"; see {Path(first.folder or '') / file_names.LOG}"
    raise TrainingsFailed(
        f"the first {len(failed)} trainings of the search all failed (trials {numbers}): {said}{log}; "
        f"{find_remedy(first.reason)}"
    )

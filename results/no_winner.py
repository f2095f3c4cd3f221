"""Say why a study has named no network, from what became of its trials.

The causes are told apart because what to do differs: a failed training has a log to read, a missed bound
wants more trainings or a lower bound, and a limit that screens every point was never anything but too low.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from results.format import percent
from results.study_record import Row, StudyRecord


def why(study: StudyRecord) -> str:
    """Return one sentence, without a full stop: the cause, and the counts that make it so."""
    failed = failed_baseline(study)
    if failed is not None:
        return (
            f"the baseline failed, so nothing was searched for: trial {failed['number']}, "
            f"{failed['reason']}, {failed['message']}"
        )
    rows = [row for row in study.rows if row["purpose"] == "search"]
    counts = "; ".join(_counts(study, rows))
    return f"{_cause(study, rows)} ({counts})" if counts else _cause(study, rows)


def advice(study: StudyRecord) -> str:
    """Return what the study's owner might do about it."""
    rows = [row for row in study.rows if row["purpose"] == "search"]
    states = {row["state"] for row in rows}
    if failed_baseline(study) or states.isdisjoint(_TRAINED - {"failed"}):
        trained = failed_baseline(study) or "failed" in states
        return (
            "see nas-results show for the reasons" if trained else "give a higher limit under another --study"
        )
    if study.bound is None:
        return "try more --trials"
    return "try more --trials, or a lower bound under another --study"


def failed_baseline(study: StudyRecord) -> Row | None:
    """Return the training of the base network that failed, for which there is no bound; None if none did."""
    failed = (row for row in study.rows if row["purpose"] == "baseline" and row["state"] == "failed")
    return next(failed, None) if study.bound is None else None


_TRAINED = {"completed", "failed", "pruned"}


def _cause(study: StudyRecord, rows: list[Row]) -> str:
    states = {row["state"] for row in rows}
    yet = " yet" if study.study["state"] == "running" else ""
    if states and states.isdisjoint({*_TRAINED, "running"}) and any(map(_is_over_a_limit, rows)):
        return "every point asked was answered untrained, none of them within the limits"
    if states.isdisjoint({"completed", "pruned"}):
        return f"no training has succeeded{yet}"
    if study.has_two_aims or not study.minimised:
        return f"no network has kept the bound{yet}"
    return f"nothing smaller has kept the bound{yet}"


def _counts(study: StudyRecord, rows: list[Row]) -> Iterator[str]:
    outcomes = Counter(row["outcome"] for row in rows)
    if study.bound is not None and any(outcomes[name] for name in ("passed", "undecided", "confirmed")):
        yield "the start itself kept it"
    if below := outcomes["below bound"]:
        best = percent(max(row["accuracy"] for row in rows if row["outcome"] == "below bound"))
        yield f"{below:,} missed the accuracy of {percent(study.bound)}, the best of them with {best}"
    if rejected := outcomes["rejected"]:
        yield f"{rejected:,} passed once and fell short when trained again"
    if failed := Counter(row["reason"] for row in rows if row["state"] == "failed"):
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in failed.most_common())
        yield f"failed: {reasons}"
    if pruned := outcomes["pruned"]:
        yield f"{pruned:,} were stopped early as hopeless"
    if over := sum(map(_is_over_a_limit, rows)):
        yield f"{over:,} were over a limit, and not trained"
    if large := outcomes["screened"] - over:
        yield f"{large:,} were no smaller than what is known to keep the bound, and not trained"


def _is_over_a_limit(row: Row) -> bool:
    """Of what a screened point is told, the stand-in for the accuracy missed is 0."""
    return row["state"] == "screened" and any(value > 0 for value in row["constraints"] or ())

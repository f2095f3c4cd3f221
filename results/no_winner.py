"""Explain why a study has found no network, from the outcomes of its trials.

Each cause has its own remedy. A failed training has a log to read. If the required accuracy was missed, more
trainings or a lower requirement help. A limit that excludes every candidate is too low.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from results.analysis import chance
from results.format import BELOW, MET_ONCE, SKIPPED, STOPPED_EARLY, percent, plain_rows
from results.study_record import Row, StudyRecord


def why(study: StudyRecord) -> str:
    """Return one sentence without a full stop: the cause, and the counts behind it."""
    failed = failed_baseline(study)
    if failed is not None:
        return (
            f"the baseline failed, so the search did not start: trial {failed['number']}, "
            f"{failed['reason']}, {failed['message']}"
        )
    rows = [row for row in study.rows if row["purpose"] == "search"]
    at_chance = _at_chance(study)
    if at_chance and not rows:
        return f"{at_chance}, so the search did not start"
    counts = "; ".join(_counts(study, rows))
    return study.sought.reword(f"{_cause(study, rows)} ({counts})" if counts else _cause(study, rows))


def advice(study: StudyRecord) -> str:
    """Return what the user can do about it."""
    rows = [row for row in study.rows if row["purpose"] == "search"]
    if _at_chance(study) and not rows:
        return chance.ADVICE
    states = {row["state"] for row in rows}
    if failed_baseline(study) or states.isdisjoint(_TRAINED - {"failed"}):
        trained = failed_baseline(study) or "failed" in states
        return (
            "see nas-results show for the reasons" if trained else "set a higher limit, under another --study"
        )
    if study.bound is None:
        return "try more --trials"
    return study.sought.reword("try more --trials, or a lower required accuracy under another --study")


def failed_baseline(study: StudyRecord) -> Row | None:
    """Return the failed training of the base network that left no required accuracy, if there is one."""
    failed = (row for row in study.rows if row["purpose"] == "baseline" and row["state"] == "failed")
    return next(failed, None) if study.bound is None else None


def _at_chance(study: StudyRecord) -> str | None:
    """Return what was found of a base network at chance."""
    found = chance.read_chance(plain_rows(study.events))
    return None if found is None else found.text("the base network")


_TRAINED = {"completed", "failed", "pruned"}


def _cause(study: StudyRecord, rows: list[Row]) -> str:
    states = {row["state"] for row in rows}
    yet = " yet" if study.study["state"] == "running" else ""
    if states and states.isdisjoint({*_TRAINED, "running"}) and any(map(_is_over_a_limit, rows)):
        return "every candidate was skipped before training, and none is within the limits"
    if states.isdisjoint({"completed", "pruned"}):
        return f"no training has succeeded{yet}"
    if study.has_two_aims or not study.minimised:
        return f"no network has reached the required accuracy{yet}"
    return f"no smaller network has reached the required accuracy{yet}"


def _counts(study: StudyRecord, rows: list[Row]) -> Iterator[str]:
    outcomes = Counter(row["outcome"] for row in rows)
    if at_chance := _at_chance(study):
        yield at_chance
    if study.bound is not None and any(outcomes[name] for name in (MET_ONCE, "undecided", "confirmed")):
        yield "the start itself reached it"
    if below := outcomes[BELOW]:
        best = percent(max(row["accuracy"] for row in rows if row["outcome"] == BELOW))
        yield (
            f"{below:,} missed the required accuracy of {percent(study.bound)}, the best of them with {best}"
        )
    if rejected := outcomes["rejected"]:
        yield f"{rejected:,} reached it once and missed it when trained again"
    if failed := Counter(row["reason"] for row in rows if row["state"] == "failed"):
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in failed.most_common())
        yield f"failed: {reasons}"
    if pruned := outcomes[STOPPED_EARLY]:
        yield f"{pruned:,} were stopped early"
    if over := sum(map(_is_over_a_limit, rows)):
        yield f"{over:,} skipped before training (too large)"
    unmeasured = Counter(row["reason"] for row in rows if row["state"] == "screened" and row["reason"])
    for reason, count in unmeasured.items():
        yield f"{count:,} skipped: {reason} not measured"
    if large := outcomes[SKIPPED] - over - unmeasured.total():
        yield f"{large:,} skipped: not smaller than a network that reaches it"


def _is_over_a_limit(row: Row) -> bool:
    """Whether a candidate was skipped because of a limit; its unknown accuracy has the constraint value 0."""
    return row["state"] == "screened" and any(value > 0 for value in row["constraints"] or ())

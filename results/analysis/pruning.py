"""How many trainings early stopping saved, and how often it was wrong, in one line.

`count_stops` computes from a study's rows what the view `early_stops` holds in its database.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from results.db.tables import Trial


def count_stops(trials: Sequence[Trial]) -> dict[str, Any] | None:
    """Return the counts of the view `early_stops`; None if the study stops nothing early (yet)."""
    under_rule = [trial for trial in trials if trial.audited is not None]
    if not under_rule:
        return None
    pruned = [trial for trial in under_rule if trial.state == "pruned"]
    audited = [trial for trial in under_rule if trial.audited and trial.state == "completed"]
    would_stop = [trial for trial in audited if trial.stop_bound is not None]
    return {
        "pruned": len(pruned),
        "trainings_saved": sum(1 - (trial.stop_progress or 0.0) for trial in pruned),
        "audited": len(audited),
        "would_stop": len(would_stop),
        "false_stops": sum((trial.val_accuracy or 0.0) >= (trial.stop_bound or 0.0) for trial in would_stop),
    }


def stops_text(stops: Mapping[str, Any] | None) -> str:
    """Return the counts in words; empty if nothing was stopped and no stop was checked."""
    if stops is None or not (stops["pruned"] or stops["would_stop"]):
        return ""
    words = [f"{stops['pruned']} stopped", f"{stops['trainings_saved']:.1f} trainings saved"]
    if stops["would_stop"]:  # stops that were checked, because the trial was exempt
        words.append(f"{stops['false_stops']} of {stops['would_stop']} checks wrong")
    return ", ".join(words)

"""What stopping hopeless trainings early saved, and how often it was wrong, in one line.

`counted` says the same of a study's rows as the view `early_stops` of its database.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from results.db.tables import Trial


def counted(trials: Sequence[Trial]) -> dict[str, Any] | None:
    """The counts of the view `early_stops`; None where the study stops nothing early (yet)."""
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
    """The counts in words; nothing where there are none."""
    if stops is None:
        return ""
    saved = f"{stops['pruned']} pruned, {stops['trainings_saved']:.1f} trainings saved"
    audit = f"of {stops['audited']} audited trials {stops['would_stop']} would have been stopped"
    return f"{saved}; {audit}, {stops['false_stops']} of them falsely"

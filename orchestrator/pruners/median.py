"""The median stopping rule: stop a training that is worse than half of the earlier ones were.

Its best accuracy so far is compared with the median of the earlier trainings' running averages up to the same
progress (Golovin et al., Google Vizier, KDD 2017, section 3.2.2). A training that already has the required
accuracy is never stopped. The rule cannot foresee that a slow start may end well; the exempt (audited) trials
measure how often that happens.
"""

from __future__ import annotations

from statistics import fmean, median

from orchestrator.pruners import FEWEST_CURVES, Evidence, Points, Prune

USES_LEVEL = False


def decide(curve: Points, evidence: Evidence) -> Prune | None:
    progress, accuracy = curve[-1]
    earlier = evidence.spanning(progress)
    if len(earlier) < FEWEST_CURVES:
        return None
    best = max(reached for _, reached in curve)
    half = median(
        fmean(reached for share, reached in finished.points if share <= progress) for finished in earlier
    )
    if best >= min(half, evidence.required):
        return None
    why = f"reached {best:.2%}, half of {len(earlier)} earlier trainings {half:.2%}"
    return Prune(progress, accuracy, best, evidence.required, why)

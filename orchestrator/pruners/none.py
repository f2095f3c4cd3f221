"""No early stopping: every training uses its whole budget."""

from orchestrator.pruners import Evidence, Points, Prune

USES_LEVEL = False


def decide(curve: Points, evidence: Evidence) -> Prune | None:
    return None

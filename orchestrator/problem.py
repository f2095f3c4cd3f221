"""The old place of `orchestrator.spec.problem`, for solvers of version 0.1. It goes with version 0.3."""

import warnings

from orchestrator.spec.problem import Evaluate, Evaluation, Problem

__all__ = ["Evaluate", "Evaluation", "Problem"]

_WHERE = "orchestrator.problem is now orchestrator.spec.problem; import from there"
warnings.warn(_WHERE, DeprecationWarning, stacklevel=2)

"""Stop a training whose learning curve can no longer reach the required accuracy: the usual rule.

The final accuracies of the study's own finished curves are regressed on the accuracy that each had reached at
the same fraction of its budget. There is no correction for checking after every epoch. The level bounds the
fraction of stopped trainings that would have reached the required accuracy. A probability that is right at
each check is also right at the check where it first falls below the level. benchmarks/early_stop.py tests
this on real curves, and every study tests it on its exempt (audited) trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from orchestrator.pruners import FEWEST_CURVES, Evidence, Points, Prune, interpolate_best
from results.analysis.posterior import students

USES_LEVEL = True
_CHECKS = (
    2  # independent ones that the many checks of one curve amount to (measured in benchmarks/early_stop.py)
)


def decide(curve: Points, evidence: Evidence) -> Prune | None:
    progress, accuracy = curve[-1]
    finished = evidence.spanning(progress)
    if len(finished) < FEWEST_CURVES:
        return None
    known = [(interpolate_best(one.points, progress), one.accuracy) for one in finished]
    predicted, scale, freedom = predict(known, interpolate_best(curve, progress), _least_variance(evidence))
    if students(freedom, (predicted - evidence.required) / scale) >= evidence.level / _CHECKS:
        return None
    predicted = min(max(predicted, 0.0), 1.0)
    why = f"expected {predicted:.2%}, required {evidence.required:.2%}"
    return Prune(progress, accuracy, predicted, evidence.required, why)


def predict(known: Sequence[tuple[float, float]], seen: float, floor: float) -> tuple[float, float, float]:
    """Predict a final accuracy: return the location, scale and degrees of freedom of a Student's t.

    known: pairs (accuracy reached so far, final accuracy) of finished trainings; a straight line is fitted
        to them (Gelman et al., Bayesian Data Analysis, 3rd edition, section 14.2: flat prior)
    seen: the accuracy that the training in question has reached
    floor: the least residual variance
    """
    import numpy as np  # a tenth of a second to import, so not at start-up

    x, y = np.array(known).T
    freedom, spread = len(x) - 2, float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread else 0.0
    residuals = y - y.mean() - slope * (x - x.mean())
    variance = max(float((residuals**2).sum()) / freedom, floor)
    away = seen - float(x.mean())
    doubt = 1 + 1 / len(x) + (away**2 / spread if spread else 0.0)
    return float(y.mean()) + slope * away, math.sqrt(variance * doubt), freedom


def _least_variance(evidence: Evidence) -> float:
    """Return the variance of an accuracy near the required one from sampling the validation images alone."""
    images = max(evidence.validation_images, 1)
    share = (min(evidence.required, 1.0) * images + 1) / (images + 2)  # never quite 0 or 1
    return share * (1 - share) / images

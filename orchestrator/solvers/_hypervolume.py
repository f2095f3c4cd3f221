"""What a point is expected to add to a front of two objectives: the hypervolume improvement.

Both objectives are minimised. Under independent normal predictions the expectation is a sum over the
strips between neighbours of the front, of products of one-dimensional expected improvements.
"""

import math

import numpy as np
from scipy.special import log_ndtr

from orchestrator.solvers._gaussian_process import Array


def front_of(values: Array) -> Array:
    """The rows [n, 2] of `values` [m, 2] that no other row betters or equals in both, by the first column."""
    order = np.lexsort((values[:, 1], values[:, 0]))
    kept, least = [], math.inf
    for row in values[order]:
        if row[1] < least:
            kept.append(row)
            least = row[1]
    return np.array(kept).reshape(-1, 2)


def hypervolume(values: Array, reference: tuple[float, float]) -> float:
    """The area that rows [m, 2] dominate and that dominates the reference."""
    inside = front_of(values[(values < reference).all(axis=1)])
    widths = np.append(inside[1:, 0], reference[0]) - inside[:, 0]
    return float((widths * (reference[1] - inside[:, 1])).sum())


def expected_improvement(means: Array, spreads: Array, front: Array, reference: Array) -> Array:
    """The expected growth [m] of the hypervolume, by points of means and spreads [m, 2].

    `front` [n, 2] is as `front_of` gives it. Emmerich, Yang, Deutz, Wang and Fonseca, "A Multicriteria
    Generalization of Bayesian Global Optimization" (2016), section 4, with equal summands gathered.
    """
    edges = np.append(front[:, 0], reference[0])
    heights = np.insert(front[:, 1], 0, reference[1])
    widths = _expected_below(means[:, :1], spreads[:, :1], edges)
    widths = np.diff(widths, axis=1, prepend=0.0)
    return np.asarray((widths * _expected_below(means[:, 1:], spreads[:, 1:], heights)).sum(axis=1))


def _expected_below(means: Array, spreads: Array, levels: Array) -> Array:
    """By how much a normal value [m, 1] is expected to lie below each level [n], 0 where above: [m, n]."""
    below = (levels - means) / spreads
    density = np.exp(-0.5 * below**2) / math.sqrt(2 * math.pi)
    return np.asarray(spreads * (below * np.exp(log_ndtr(below)) + density))

"""The model of an earlier study's accuracies, which is one more input of this study's models.

Data and budget may have been others there, so its accuracies are not this study's. But networks that did well
there mostly do well here, and how much that tells is learnt as of any other input.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.solvers._gaussian_process import PRIOR_MEANS, Array, fit_process, squash
from orchestrator.solvers._next_trainings import log_multipliers
from orchestrator.spec.problem import Problem
from search_spaces import Point

ITERATIONS = 60  # of the fit, which is made once
FEWEST = 4  # trainings that a model is made of
SHORT = 0.1  # the lengths from which the fit starts a second time, since the first may take all for noise


def earlier_mean(
    problem: Problem, features: Callable[[Sequence[Point]], Array]
) -> Callable[[Sequence[Point]], Array] | None:
    """Return the function that gives what the earlier study's model expects of points, [n].

    It is 0 for the least accurate training there and 1 for the most accurate one. None if `problem.earlier`
    has fewer than FEWEST scores.

    features: returns rows [n, columns] of points
    """
    expect = fit_earlier(problem, features)
    return None if expect is None else lambda points: expect(features(points))


def model_features(problem: Problem) -> Callable[[Sequence[Point]], Array]:
    """Return the function that gives the inputs [n, columns] of the model of accuracy.

    They are the logarithms of the multipliers over the base's, and what the earlier study expects less what
    it expects of the base, if there is one. Raises ValueError if a variable is not a multiplier.
    """
    base = (problem.goal and problem.goal.base) or problem.start
    logs = log_multipliers(base, problem.space)
    expect = earlier_mean(problem, logs)
    if expect is None:
        return logs
    known = expect
    return lambda points: np.column_stack([logs(points), known(points) - known([base])])


def fit_earlier(
    problem: Problem,
    features: Callable[[Sequence[Point]], Array],
    groups: NDArray[np.intp] | None = None,
) -> Callable[[Array], Array] | None:
    """Return the same function of rows of features [n, columns].

    groups: [columns] as of `GaussianProcess`; None: each column is a variable
    """
    known = [(one.point, one.score) for one in problem.earlier if one.score is not None]
    scores = np.array([score for _, score in known])
    if len(known) < FEWEST or np.ptp(scores) == 0:
        return None
    rows = features([point for point, _ in known])
    groups = np.arange(rows.shape[1]) if groups is None else groups
    shortfalls, _ = squash(scores.max() - scores)
    starts = [None, np.array([math.log(SHORT)] * (int(groups.max()) + 1) + list(PRIOR_MEANS[1:]))]
    fits = [fit_process(rows, -shortfalls, groups, start, ITERATIONS) for start in starts]
    process = max(fits, key=lambda fit: fit.log_likelihood)
    return lambda rows: 1 + process.predict(rows)[0] / shortfalls.max()

"""The area that a front dominates, and how much of it a point is expected to add."""

import numpy as np
import pytest

from orchestrator.solvers._gaussian_process import Array
from orchestrator.solvers._surrogate import expected_improvement, front_of

FRONT = np.array([[0.0, 0.8], [0.3, 0.3], [0.9, 0.1]])


def hypervolume(values: Array, reference: tuple[float, float]) -> float:
    """The area that rows [m, 2] dominate and that dominates the reference."""
    inside = front_of(values[(values < reference).all(axis=1)])
    widths = np.append(inside[1:, 0], reference[0]) - inside[:, 0]
    return float((widths * (reference[1] - inside[:, 1])).sum())


def test_the_front_leaves_out_what_is_bettered_or_equalled() -> None:
    others = np.array([[0.3, 0.3], [0.3, 0.9], [0.95, 0.1], [0.31, 0.31]])
    assert front_of(np.concatenate([others, FRONT])).tolist() == FRONT.tolist()


def test_the_area_is_counted_once_and_only_within_the_reference() -> None:
    assert hypervolume(FRONT, (1.0, 1.0)) == pytest.approx(0.3 * 0.2 + 0.6 * 0.7 + 0.1 * 0.9)
    assert hypervolume(FRONT, (0.2, 0.9)) == pytest.approx(0.2 * 0.1)
    assert hypervolume(FRONT, (0.0, 0.0)) == 0.0


def test_what_is_certain_is_expected_to_add_just_the_area_that_it_adds() -> None:
    points = np.array([[0.2, 0.2], [0.5, 0.5], [-0.5, 0.9], [0.95, 0.05], [2.0, 0.0]])
    certain = expected_improvement(points, np.full((5, 2), 1e-9), FRONT, np.array([1.0, 1.0]))
    before = hypervolume(FRONT, (1.0, 1.0))
    added = [hypervolume(np.vstack([FRONT, point]), (1.0, 1.0)) - before for point in points]
    assert certain == pytest.approx(added, abs=1e-6)


def test_the_expectation_is_the_mean_of_what_draws_would_add() -> None:
    mean, spread = np.array([[0.25, 0.45]]), np.array([[0.2, 0.1]])
    draws = np.random.default_rng(0).normal(mean, spread, (4000, 2))
    before = hypervolume(FRONT, (1.0, 1.0))
    added = [hypervolume(np.vstack([FRONT, draw]), (1.0, 1.0)) - before for draw in draws]
    expected = expected_improvement(mean, spread, FRONT, np.array([1.0, 1.0]))
    assert expected[0] == pytest.approx(np.mean(added), rel=0.06)

"""Which network to train next, or again, by the model of accuracy; which one to name; what more would save."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri

from orchestrator.solvers._accuracy_model import AccuracyModel
from orchestrator.solvers._gaussian_process import Array
from orchestrator.spec.problem import Ask
from search_spaces import Choice, Integer, Point, Real, Space

CAUTION = 2.0
STEP, STEP_OF_ALL = 0.6, 0.75  # of the start's multipliers, in the star design


def log_multipliers(start: Point, space: Space) -> Callable[[Sequence[Point]], Array]:
    """Return the function that gives the features [n, columns]: logarithms of values over the start's.

    Raises:
        ValueError: a variable is not a multiplier.
    """
    names = [variable.name for variable in space.variables if variable.size != 1]
    for variable in space.variables:
        if isinstance(variable, Choice) or variable.low <= 0:
            raise ValueError(f"{variable.name} is not a multiplier: allowed are {variable.allowed}")
    origin = np.log([float(start[name]) for name in names])

    def features(points: Sequence[Point]) -> Array:
        values = np.array([[float(point[name]) for name in names] for point in points])
        return np.asarray(np.log(values.reshape(-1, len(names))) - origin)

    return features


def star_design(space: Space, start: Point) -> list[Point]:
    """Return the first networks to train after the start: one step down in each multiplier, and in all.

    A step is to .6 of the start's value, and in all multipliers to .75, or to what the space has next to it.
    """
    factors = [{variable.name: STEP} for variable in space.variables]
    factors.append({variable.name: STEP_OF_ALL for variable in space.variables})
    points = []
    for each in factors:
        moved = {name: _snap(space, name, float(start[name]) * factor) for name, factor in each.items()}
        points.append(space.point({**start, **moved}))
    return [point for point in dict.fromkeys(points) if point != start]


def _snap(space: Space, name: str, value: float) -> float:
    variable = next(variable for variable in space.variables if variable.name == name)
    assert isinstance(variable, Real | Integer)
    if variable.size == 1:
        return variable.low
    value = min(max(value, variable.low), variable.high)
    number = variable.to_number(value) if variable.integer else value
    return float(variable.from_number(round(number))) if variable.integer else variable.check(value)


def find_named(model: AccuracyModel, candidates: Sequence[Point], costs: Array) -> Point | None:
    """Return the network to name: the cheapest one of at least `goal.level` probability, or None.

    It has a training beyond the one that found it. Its level is the user's confidence itself: a probability
    that all trainings are part of needs no correction for the number of networks that it was looked up for.
    """
    repeated = {point for point in model.networks if model.trainings(point) > 1}
    repeated -= {*model.failed, model.goal.base}
    known = [i for i, point in enumerate(candidates) if point in repeated]
    if not known:
        return None
    likely = model.probabilities([candidates[i] for i in known]) >= model.goal.level
    sure = [i for i, is_likely in zip(known, likely, strict=True) if is_likely]
    return candidates[min(sure, key=lambda i: costs[i])] if sure else None


def choose_next(model: AccuracyModel, candidates: Sequence[Point], costs: Array, count: int) -> list[Ask]:
    """Return the `count` trainings that promise most; fewer near the end, none if nothing cheaper is left.

    The network is the one of most log saving, against the named or the base network, times the probability
    that it is as accurate as it must be. It is trained, or the base is, whichever takes more of the doubt
    about the difference. Each is chosen as if those before it had brought what the model expects.

    candidates: with all networks that were trained
    costs: [candidates]
    """
    named = find_named(model, candidates, costs)
    limit = _cost_to_beat(model, candidates, costs, named)
    cheaper = [i for i in np.flatnonzero(costs < limit) if candidates[i] not in model.failed]
    points = [candidates[i] for i in cheaper]
    reference = limit if math.isfinite(limit) else float(costs.max()) * 1.01
    savings = np.log(reference / costs[cheaper])
    asks: list[Ask] = []
    believed = model
    while len(asks) < count:
        full = {point for point, tried in believed.tried.items() if len(tried) > model.goal.repeats}
        full |= {ask.point for ask in asks if not ask.replicate}  # whose first result is not there yet
        free = [i for i, point in enumerate(points) if point not in full]
        if not free:
            break
        probabilities = believed.probabilities([points[i] for i in free])
        best = int(np.argmax(np.log(savings[free]) + CAUTION * np.log(np.maximum(probabilities, 1e-300))))
        ask, kind = _choose_training(believed, points[free[best]])
        told = {
            "kind": kind,
            "candidate": dict(points[free[best]]),
            "log_saving": float(savings[free[best]]),
            "named": None if named is None else dict(named),
            "cost_to_beat": limit if math.isfinite(limit) else None,
            **model.belief(points[free[best]]),
        }
        asks.append(replace(ask, belief=told))
        believed = believed.condition_on_expected(ask)
    return asks


def _cost_to_beat(
    model: AccuracyModel, candidates: Sequence[Point], costs: Array, named: Point | None
) -> float:
    known = [one for one in (named, model.goal.base) if one is not None]
    return float(costs[candidates.index(known[0])]) if known else math.inf


def _choose_training(model: AccuracyModel, point: Point) -> tuple[Ask, str]:
    """Return the training that takes most of the doubt about a network: its own next one or the base's."""
    tried = model.tried.get(point, frozenset())
    repeats = range(model.goal.repeats + 1)
    own = Ask(point, next(replicate for replicate in repeats if replicate not in tried))
    kind = "replicate" if tried else "new"
    base = model.goal.base
    left = [] if base is None else [one for one in repeats if one not in model.tried[base]]
    if base is None or not left:
        return own, kind
    theirs = Ask(base, min(left, key=lambda replicate: (replicate not in tried, replicate)))
    errors = [float(model.condition_on_expected(ask).judge([point])[1][0]) for ask in (own, theirs)]
    return (own, kind) if errors[0] <= errors[1] else (theirs, "base")


def expected_saving(
    model: AccuracyModel, candidates: Sequence[Point], costs: Array, trainings: int = 10
) -> float:
    """Return the fraction of the named network's cost, or of the base's, that more trainings should save.

    The trainings are those that the search would choose if they brought what is expected. By then the mean of
    a network's difference has moved by a normal amount, whose variance is what they take away (a preposterior
    analysis: Raiffa and Schlaifer 1961). The network is named if it is then likely enough.
    """
    asks = choose_next(model, candidates, costs, trainings)
    after = model
    for ask in asks:
        after = after.condition_on_expected(ask)
    limit = _cost_to_beat(model, candidates, costs, find_named(model, candidates, costs))
    savings = [0.0]
    quantile = float(ndtri(model.goal.level))
    for i, point in enumerate(candidates):
        if costs[i] < limit and after.trainings(point) > 1 and math.isfinite(limit):
            (mean,), (now,) = model.judge([point])
            then = after.judge([point])[1][0]
            chance = float(ndtr((mean - quantile * then) / math.sqrt(max(now**2 - then**2, 1e-16))))
            savings.append(chance * (1 - costs[i] / limit))
    return max(savings)

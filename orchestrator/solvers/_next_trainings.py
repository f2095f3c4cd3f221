"""What the model of accuracy says to train next, which network to name, and what more would save."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from orchestrator.solvers._accuracy_model import AccuracyModel
from orchestrator.solvers._gaussian_process import Array
from orchestrator.spec.problem import Ask
from search_spaces import Choice, Integer, Point, Real, Space

AHEAD = 6  # trainings that a candidate is thought to get
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
    """Return the network to name, the cheapest one that is surely enough as accurate; None if there is none.

    It has a training beyond the one that found it.
    """
    repeated = {point for point in model.networks if model.trainings(point) > 1}
    repeated -= {*model.failed, model.goal.base}
    known = [i for i, point in enumerate(candidates) if point in repeated]
    if not known:
        return None
    likely = model.probabilities([candidates[i] for i in known]) >= model.goal.level
    sure = [i for i, is_likely in zip(known, likely, strict=True) if is_likely]
    return candidates[min(sure, key=lambda i: costs[i])] if sure else None


def choose_next(
    model: AccuracyModel,
    candidates: Sequence[Point],
    costs: Array,
    count: int,
    pending: Sequence[Ask] = (),
    beats_base: bool = True,
) -> list[Ask]:
    """Return the `count` trainings that promise most; fewer near the end, none if nothing cheaper is left.

    They are for the network of most saving (of the log cost of the named or else the base network) times the
    probability that some more trainings name it. That network is trained, or the base, whichever takes more
    of the doubt about their difference. Each is chosen as if those before it had brought what is expected.

    candidates, costs: networks, all that were trained among them, and what each costs [candidates]
    pending: trainings that were asked for already
    beats_base: whether a network must cost less than the base, which is not so if that is over a limit
    """
    named = find_named(model, candidates, costs)
    limit = _cost_to_beat(model, candidates, costs, named, beats_base)
    reference = limit if math.isfinite(limit) else 1.01 * float(costs.max())
    cheaper = np.flatnonzero(costs < limit).tolist()
    told = {"named": named and dict(named), "cost_to_beat": limit if math.isfinite(limit) else None}
    believed = reduce(AccuracyModel.condition_on_expected, pending, model)
    asks: list[Ask] = []
    while len(asks) < count:
        excluded = _find_excluded(believed, (*pending, *asks))
        free = [i for i in cheaper if candidates[i] not in excluded]
        if not free:
            break
        savings = np.log(reference / costs[free])
        scores = _scores_after(believed, [candidates[i] for i in free], AHEAD)
        best = int(np.argmax(np.log(savings) + log_ndtr(scores)))
        point = candidates[free[best]]
        kind, ask = _choose_training(believed, point)
        why = {"kind": kind, "candidate": dict(point), "log_saving": float(savings[best])}
        asks.append(replace(ask, belief=why | told | model.belief(point)))
        if len(asks) < count:
            believed = believed.condition_on_expected(ask)
    return asks


def _find_excluded(model: AccuracyModel, pending: Sequence[Ask]) -> set[Point | None]:
    """Return the networks that are not chosen: with all repeats, without a first result, failed; the base."""
    full = {point for point, tried in model.tried.items() if len(tried) > model.goal.repeats}
    begun = {ask.point for ask in pending if not ask.replicate}
    return {*full, *begun, *model.failed, model.goal.base}


def expected_saving(
    model: AccuracyModel,
    candidates: Sequence[Point],
    costs: Array,
    trainings: int = 10,
    beats_base: bool = True,
) -> float | None:
    """Return the fraction of the named network's cost, or of the base's, that more trainings should save.

    Trainings of one network tell of all, so all are taken to share their luck, a standard normal number: a
    network is named if it is at least minus the network's score. The largest saving that it allows is
    averaged. The result is None if there is neither a base to beat nor a named network: there is no cost to
    save.
    """
    limit = _cost_to_beat(model, candidates, costs, find_named(model, candidates, costs), beats_base)
    cheaper = [i for i in np.flatnonzero(costs < limit).tolist() if candidates[i] not in model.failed]
    if not math.isfinite(limit):
        return None
    if not cheaper:
        return 0.0
    scores = _scores_after(model, [candidates[i] for i in cheaper], trainings)
    savings = 1 - costs[cheaper] / limit
    order = np.argsort(-savings, kind="stable")
    chances = np.maximum.accumulate(ndtr(scores[order]))  # of at least so large a saving
    return float(chances @ -np.diff(savings[order], append=0.0))


def _scores_after(model: AccuracyModel, points: Sequence[Point], trainings: int) -> Array:
    """Return standard scores [n]: of the probabilities that so many more trainings make a network be named.

    All of them are for the one network: half its own and half the base's, if that is measured. They take a
    part of the variance of the difference, and by as much its mean may still move (a preposterior analysis:
    Raiffa and Schlaifer 1961, Applied Statistical Decision Theory, chapter 5).
    """
    mean, error = model.judge(points)
    told = model.noise**2 / trainings  # the variance of what the trainings say
    if model.goal.base is not None:
        told *= 4 * (1 - model.shared)
    left = error**2 * told / (error**2 + told)
    moved = error**2 / np.sqrt(error**2 + told)
    return np.asarray((mean - ndtri(model.goal.level) * np.sqrt(left)) / moved)


def _cost_to_beat(
    model: AccuracyModel, candidates: Sequence[Point], costs: Array, named: Point | None, beats_base: bool
) -> float:
    """Return the cost of the named network, or else of the base; infinity if there is neither."""
    beaten = (model.goal.base if beats_base else None) if named is None else named
    return math.inf if beaten is None else float(costs[candidates.index(beaten)])


def _choose_training(model: AccuracyModel, point: Point) -> tuple[str, Ask]:
    """Return the training that takes most of the doubt about a network, its own next one or the base's."""
    tried, base = model.tried.get(point, frozenset()), model.goal.base
    replicates = range(model.goal.repeats + 1)
    own = Ask(point, min(set(replicates) - tried))
    kind = "replicate" if tried else "new"
    left = [] if base is None else [one for one in replicates if one not in model.tried[base]]
    if base is None or not left:
        return kind, own
    theirs = Ask(base, min(left, key=lambda replicate: (replicate not in tried, replicate)))
    (with_own,), (with_theirs,) = (
        model.condition_on_expected(ask).judge([point])[1] for ask in (own, theirs)
    )
    return (kind, own) if with_own <= with_theirs else ("base", theirs)

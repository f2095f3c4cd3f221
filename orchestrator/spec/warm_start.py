"""Start a search from the best candidates of an earlier study in the same database, and from its trainings.

Both are recorded in the new study's settings. A resume takes them from there, because the earlier study may
have changed or been deleted since.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.spec.command_options import BadOption, check
from orchestrator.spec.formulation import sought_value
from orchestrator.spec.problem import Training
from orchestrator.spec.study_spec import StudySpec, WarmStart
from results.analysis.pareto import find_front
from results.db.spec_diff import differences
from results.db.store import Store
from results.db.tables import Study, Trial
from results.scores import Score, sought_score
from search_spaces import Choice, Integer, Point, Real, Space, Value, Variable, scaling

MOST_HINTS = 5
MOST_TRAININGS = 200  # of which the solver makes a model: the latest ones
_OF_NO_MATTER = (
    "solver",
    "space",
    "warm_start",
    "confirmation",
    "baseline",
    "early_stop",
    "model",  # its relevant parts are compared on their own
    "training.seed",
)


def add_warm_start(spec: StudySpec, store: Store | None, recorded: Study | None) -> StudySpec:
    """Return the study with its warm start, if it asks for one.

    recorded: the study itself, if it resumes
    Raise BadOption if the earlier study does not exist, has other variables or found nothing.
    """
    name = spec.request.warm_start
    if name is None:
        return spec
    written = recorded.question.get("warm_start") if recorded else None
    if written is not None:
        hints = tuple(
            Point(hint) for hint in written["hints"]
        )  # whatever they are: the settings are compared next
        trainings = tuple(
            Training(Point(one["point"]), one["replicate"], one["score"])
            for one in written.get("trainings", ())
        )
        return replace(spec, warm_start=WarmStart(name, hints, trainings))
    check(
        name != spec.study_name,
        f"--warm-start {name} is this study's own name; give it another by --study",
    )
    earlier = store.study(name) if store else None
    if store is None or earlier is None:
        there = ", ".join(study.name for study in store.studies()) if store else ""
        raise BadOption(
            f"--warm-start {name}: no such study in {spec.request.database}; there are: {there or 'none'}"
        )
    _refuse_another_family(earlier, spec)
    trials = store.trials(earlier.id)
    hints = tuple(_hints(trials, spec))
    check(
        bool(hints),
        f"--warm-start {name}: no candidate there met the constraints, other than the start; omit the option",
    )
    trainings = tuple(_trainings(trials, spec, sought_score(earlier.question)))
    return replace(spec, warm_start=WarmStart(name, hints, trainings, _unlike(earlier, spec)))


def nearest(values: Mapping[str, Any], space: Space, start: Point) -> Point:
    """Return the point of `space` nearest to `values`; a category it does not have becomes the start's."""
    return space.point({v.name: _nearest(v, values[v.name], start[v.name]) for v in space.variables})


def best_points(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return the points of a study's best networks, each network once, the best first.

    Confirmed networks come first, then others that met all constraints, by their objectives. Rejected ones
    are left out. Of a Pareto front there are at most MOST_HINTS, from its smallest to its largest network.
    """
    good = [
        trial
        for trial in trials
        if trial.purpose == "search" and trial.state == "completed" and trial.verdict != "rejected"
        if trial.objective is not None and all(value <= 0 for value in trial.constraints or ())
    ]
    good.sort(key=lambda trial: (trial.verdict != "confirmed", trial.objective, trial.number))
    if any(trial.other_objectives for trial in good):
        good = _spread(find_front(good, _place))
    by_network: dict[str | None, dict[str, Any]] = {}
    for trial in good:
        by_network.setdefault(trial.network_key, dict(trial.point or {}))
    return list(by_network.values())


def _place(trial: Trial) -> tuple[float, float, int]:
    [error, *_] = trial.other_objectives or [math.inf]
    return trial.objective or 0.0, -error, trial.number


def _spread(front: Sequence[Trial]) -> list[Trial]:
    """Return at most MOST_HINTS of a front, evenly spaced, its ends among them."""
    steps = min(MOST_HINTS, len(front)) - 1
    return [front[round(k * (len(front) - 1) / max(steps, 1))] for k in range(steps + 1)]


def _hints(trials: Sequence[Trial], spec: StudySpec) -> list[Point]:
    """Return the earlier study's best points, moved into this one's space, without the start."""
    moved = dict.fromkeys(_moved(point, spec) for point in best_points(trials))
    return [point for point in moved if point != _start(spec)][:MOST_HINTS]


def _trainings(trials: Sequence[Trial], spec: StudySpec, sought: Score) -> list[Training]:
    """Return the earlier study's latest trainings with a score, of the points that this space has too."""
    found = list[Training]()
    for trial in trials:
        score, values = sought_value(trial), trial.point or {}
        is_inside = all(_is_within(variable, values[variable.name]) for variable in spec.space.variables)
        if trial.state == "completed" and score is not None and is_inside:
            found.append(Training(_moved(values, spec), trial.replicate, sought.merit(score)))
    return found[-MOST_TRAININGS:]


def _is_within(variable: Variable, value: Any) -> bool:
    """Whether a value is in a variable's range, also between the values of its grid."""
    if not isinstance(variable, Choice):
        return bool(variable.low <= value <= variable.high)
    if variable.ordered and all(map(_is_number, (value, *variable.values))):
        return bool(min(map(float, variable.values)) <= value <= max(map(float, variable.values)))
    return value in variable.values


def _moved(values: Mapping[str, Any], spec: StudySpec) -> Point:
    return nearest(values, spec.space, _start(spec))


def _start(spec: StudySpec) -> Point:
    return spec.start or scaling.start(spec.space)


def _nearest(variable: Variable, value: Any, otherwise: Value) -> Value:
    if isinstance(variable, Integer):
        return int(min(max(round(value), variable.low), variable.high))
    if isinstance(variable, Real):
        inside = float(min(max(value, variable.low), variable.high))
        return _closest(variable.values, inside) if variable.integer else variable.check(inside)
    if variable.ordered and all(map(_is_number, (value, *variable.values))):
        return _closest(variable.values, value)
    same = [own for own in variable.values if own == value and type(own) is type(value)]
    return same[0] if same else otherwise


def _closest(values: Sequence[Value], value: float) -> Value:
    distances = [abs(float(own) - value) for own in values]
    return values[distances.index(min(distances))]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse_another_family(earlier: Study, spec: StudySpec) -> None:
    """Raise BadOption unless the earlier study is of this kind and has these variables."""
    kind, name = spec.request.kind, earlier.name
    check(
        earlier.kind == kind,
        f"--warm-start {name} is a study of kind {earlier.kind}, this search is {kind}; give one of "
        "the same kind",
    )
    theirs, ours = (_variables(space) for space in (earlier.question["space"], spec.space.to_json()))
    apart = sorted(f"{name} ({kind})" for name, kind in set(theirs.items()) ^ set(ours.items()))
    check(
        not apart,
        f"--warm-start {name} has other variables: {', '.join(apart)} not in both; give a study "
        "with the same space",
    )


def _variables(space: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {variable["name"]: variable["kind"] for variable in space}


def _unlike(earlier: Study, spec: StudySpec) -> tuple[str, ...]:
    """Return how the earlier study differs in what may change its best points: base, data, budget."""
    found = differences(earlier.question, spec.question(1))
    return tuple(one.replace(" recorded, ", " there, ") for one in found if not one.startswith(_OF_NO_MATTER))

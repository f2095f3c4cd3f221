"""A trial of the results database as an Optuna trial.

A trial that was skipped before training has no accuracy, so it is PRUNED there. A duplicate has the state
and the values of the trial that it repeats. The steps of intermediate values are thousandths of the
training's budget, so that networks of different cost can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from results.errors import NotOnRecord
from results.metrics import METRICS, Metric, limits_of
from results.optuna_mirror._space import distributions, value
from results.scores import Score, sought_score

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

Row = Mapping[str, Any]

Direction = Literal["minimize", "maximize"]
_STATES = {"running": "RUNNING", "completed": "COMPLETE", "failed": "FAIL", "pruned": "PRUNED"}
_STATES |= {"screened": "PRUNED", "duplicate": "PRUNED"}  # a duplicate whose original is missing


@dataclass(frozen=True)
class Asked:
    """What its trials need of a study's settings."""

    size: Metric | None  # that is minimised
    bound: float | None  # the required accuracy; None: there is none (yet)
    limits: Mapping[str, float]  # the most of a metric
    score: Score  # that it seeks and requires
    space: Mapping[str, BaseDistribution]

    @classmethod
    def of(cls, study: Row) -> Asked:
        """Raises NotOnRecord for a study without a search space, such as an evaluation."""
        question = study["question"]
        if not question.get("space"):
            raise NotOnRecord(
                f"study {study['name']!r} is of kind {study['kind']} and has no search space; "
                "give Optuna one of nas-search or hpo-search"
            )
        return cls(
            METRICS.get(study["minimise"]),
            study["min_accuracy"],
            limits_of(question),
            sought_score(question),
            distributions(question["space"]),
        )

    @property
    def directions(self) -> list[Direction]:
        way: Direction = "minimize" if self.score.is_lower_better else "maximize"
        return ["minimize", way] if self.size else [way]

    @property
    def metrics(self) -> list[str]:
        """The names of the objectives."""
        size = self.size and (self.size.noun if self.size.is_count else self.size.axis)
        return [
            *([size] if size else []),
            f"{'' if self.score.is_number else 'validation '}{self.score.noun}",
        ]


def is_finished(trial: Row, trials: Mapping[int, Row]) -> bool:
    """Whether a trial has ended, and so has the one that it duplicates."""
    return bool(_original(trial, trials)["state"] != "running")


def to_optuna(trial: Row, trials: Mapping[int, Row], curve: Sequence[Row], asked: Asked) -> FrozenTrial:
    """Return the trial for Optuna. `trials`: those of its study by number; `curve`: its measurements."""
    from optuna.trial import FrozenTrial, TrialState

    original = _original(trial, trials)
    state, values = _end(trial, original, asked)
    params = _params(trial["point"] or {}, asked.space)
    finished = trial["finished_at"] or original["finished_at"] or trial["created_at"]
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState[state],
        value=None,
        values=values,
        datetime_start=_local(trial["started_at"] or trial["created_at"]),
        datetime_complete=None if state == "RUNNING" else _local(finished),
        params=params,
        distributions={name: asked.space[name] for name in params},
        user_attrs=_attributes(trial),
        system_attrs=constraints(trial, trials, asked),
        intermediate_values=_steps(curve, asked.score.column),
    )


def _original(trial: Row, trials: Mapping[int, Row]) -> Row:
    """Return the trial that a duplicate repeats; any other trial itself."""
    if trial["state"] != "duplicate":
        return trial
    return trials.get(trial["of_trial_number"], trial)


def _end(trial: Row, original: Row, asked: Asked) -> tuple[str, list[float] | None]:
    """Return Optuna's state and values. To Optuna a completed trial without an accuracy has failed."""
    state = _STATES[original["state"]]
    if state != "COMPLETE":
        return state, None
    values = [*([trial[asked.size.column]] if asked.size else []), original[asked.score.column]]
    if None in values:
        return "FAIL", None
    return state, [float(value) for value in values]


def _params(point: Row, space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Return the values of a candidate that are in the space; a base network's may not be."""
    found = {}
    for name, kind in space.items():
        try:
            found[name] = value(kind, point[name])
        except (KeyError, ValueError):
            continue
    return found


def constraints(trial: Row, trials: Mapping[int, Row], asked: Asked) -> dict[str, Any]:
    """Return the constraints that the solver was told, or would have been: each holds at 0 or less.

    A rejected network misses the first one in all its trainings: by the probability that it is not as
    accurate as it must be, where a lucky training meets it. The form is one that Optuna before version 5
    and optuna-dashboard read too.
    """
    original, told = _original(trial, trials), trial["constraints"]
    if told is None and (reached := original[asked.score.column]) is not None:
        missed = [] if asked.bound is None else [asked.bound - reached]
        amounts = {name: trial[METRICS[name].column] for name in asked.limits}
        over = [amounts[name] / most - 1 for name, most in asked.limits.items() if amounts[name] is not None]
        told = [*missed, *over]
    judged = _judged(original, trials)
    if told and told[0] <= 0 and judged["verdict"] == "rejected":
        told = [1 - (judged["probability"] or 0.0), *told[1:]]
    return {"constraints": told} if told else {}


def is_feasible(attributes: Mapping[str, Any]) -> bool:
    """Whether all constraints hold. attributes: as `constraints` returns them"""
    return all(missed <= 0 for missed in attributes.get("constraints", ()))


def _judged(trial: Row, trials: Mapping[int, Row]) -> Row:
    """Return the trial whose verdict holds for a training: the candidate that it repeats, or itself."""
    return trials.get(trial["of_trial_number"], trial) if trial["purpose"] == "confirmation" else trial


def _steps(curve: Sequence[Row], column: str) -> dict[int, float]:
    """Return the sought score by thousandths of the budget, the last of several at one."""
    return {
        round(1000 * measured["progress"]): measured[column]
        for measured in curve
        if measured["progress"] is not None and measured[column] is not None
    }


def _attributes(trial: Row) -> dict[str, Any]:
    """Return the trial's number, as `trial`, and its other facts."""
    known = {name: trial[name] for name in _FACTS if trial[name] is not None}
    return {"trial": trial["number"], **known}


_FACTS = (
    *(metric.column for metric in METRICS.values()),
    "state", "purpose", "replicate", "of_trial_number", "reason", "message", "point",
    "verdict", "probability", "audited", "stop_progress", "predicted_accuracy", "stop_bound",
    "val_loss", "test_accuracy", "epochs", "steps", "train_seconds", "overshoot_seconds", "peak_memory_bytes",
    "attempts", "seed", "subset_seed", "host", "slot", "device_name", "folder", "started_at", "finished_at",
)  # fmt: skip


def _local(moment: str) -> datetime:
    """Return a time as Optuna keeps it: this machine's, without a zone."""
    return datetime.fromisoformat(moment).astimezone().replace(tzinfo=None)

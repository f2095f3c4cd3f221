"""The goal of a search: the least of a metric, highest accuracy or both, under limits on metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from results.metrics import METRICS, Metric, shown_metric
from results.scores import ACCURACY, Score, number_of

if TYPE_CHECKING:
    from orchestrator.trainer_client import NetworkInfo
    from results.db.tables import Trial

_NAME = re.compile(r"[^\W\d][\w./-]*")
_MOST = 1e18  # MACs or parameters
_FACTORS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}


@dataclass(frozen=True)
class Objective:
    """At least one of a metric to minimise and accuracy to maximise. `limits`: the most of each metric.

    sought: the score that stands for the accuracy. It is recorded beside the objective, but a script's own
        number, also one to minimise, in its place
    """

    minimise: str | None = None  # one of METRICS
    maximise: str | None = None  # accuracy
    limits: Mapping[str, float] = field(default_factory=dict)
    sought: Score = field(default=ACCURACY, compare=False)

    @property
    def objectives(self) -> int:
        return (self.minimise is not None) + (self.maximise is not None)

    @property
    def needs_bound(self) -> bool:
        """Whether it needs a required accuracy: the smallest network of all is not a useful answer."""
        return self.maximise is None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that it minimises or limits."""
        return tuple(METRICS[name] for name in METRICS if name in (self.minimise, *self.limits))

    @property
    def told(self) -> Metric:
        """The metric that is shown to people."""
        return shown_metric(self.minimise or next(iter(self.limits), None))

    def under(self, limits: Mapping[str, float]) -> Objective:
        """Return the same objective with these limits added."""
        merged = {**self.limits, **limits}
        return replace(self, limits={name: merged[name] for name in METRICS if name in merged})

    def to_json(self) -> dict[str, Any]:
        sought = {"minimise": self.minimise, "maximise": self.maximise}
        if self.sought.is_number:
            lower = self.sought.is_lower_better
            sought = {"minimise": self.sought.name if lower else None}
            sought["maximise"] = None if lower else self.sought.name
        return {**sought, "limits": dict(self.limits)}

    def __str__(self) -> str:
        goals = [METRICS[self.minimise].goal] if self.minimise else []
        goals += [self.sought.goal] if self.maximise else []
        front = "Pareto front of " if len(goals) > 1 else ""
        under = [f"at most {METRICS[name].text(most)}" for name, most in self.limits.items()]
        return ", ".join([front + " and ".join(goals), *under])


def default_objective(kind: str) -> Objective:
    """Return the objective of a search of this kind if the user gives none."""
    return Objective(minimise="macs") if kind == "nas" else Objective(maximise="accuracy")


def parse_objective(
    kind: str,
    minimise: str | None,
    maximise: str | None,
    most: Mapping[str, str | float | None],
    is_script: bool = False,
) -> Objective:
    """Return the objective that the options of a search of `kind` give; raise ValueError.

    most: the limit of each size, as the user wrote it; None: no limit
    is_script: whether a script is searched over, so that its own numbers may be sought
    """
    limits = {name: _limit(name, written) for name, written in most.items() if written is not None}
    number = number_of(minimise, maximise) if is_script else None
    if number is not None:
        if minimise is not None and maximise is not None:
            raise ValueError(
                f"--minimise {minimise} and --maximise {maximise}: a number of a script's own is sought "
                "alone; omit one of them"
            )
        if not _NAME.fullmatch(number.name):
            raise ValueError(f"{number.name!r} cannot be a number's name; use letters, digits, _ . / and -")
        return Objective(None, ACCURACY.name, limits, number)
    if minimise not in (None, *METRICS):
        raise ValueError(f"--minimise {minimise} is unknown; give one of {', '.join(METRICS)}")
    if maximise not in (None, "accuracy"):
        raise ValueError(
            f"--maximise {maximise} is unknown; give accuracy (--metric says which score that is), or omit it"
        )
    if minimise is None and maximise is None:
        return replace(default_objective(kind), limits=limits)
    return Objective(minimise, maximise, limits)


def unused_options(aim: Objective) -> tuple[str, ...]:
    """Return the options of a search that have no effect with this objective."""
    return () if aim.needs_bound else ("replicates", "tolerance")


def _limit(name: str, written: str | float) -> float:
    metric = METRICS[name]
    try:
        most = parse_count(written) if metric.is_count else float(written)
    except ValueError as error:
        raise ValueError(f"{metric.option}: {error}") from error
    if not 0 < most < math.inf:
        least = "at least 1" if metric.is_count else "more than 0"
        raise ValueError(f"{metric.option} {written} excludes every network; give {least}")
    return most


def amount_of(network: NetworkInfo | Trial, metric: Metric) -> float | None:
    """Return the amount of a metric; None if it is not known, or not yet.

    What a training used that was stopped early is extrapolated to its whole budget.
    """
    amount: float | None = getattr(network, metric.column, None)
    is_part = metric.known == "after" and getattr(network, "state", None) == "pruned"
    share: float | None = getattr(network, "stop_progress", None) if is_part else 1.0
    return None if amount is None or share is None else amount / share


def parse_count(text: str | float) -> int:
    """Read a number of MACs or parameters: `5000000`, `5e6`, `5M`, `1.2G`. Raise ValueError."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:e\+?[0-9]+)?)\s*([kmgb]?)\s*", str(text).lower())
    if match is None:
        raise ValueError(f"cannot read {text!r} as a number; write it like 5000000, 5e6, 5M or 1.2G")
    count = float(match[1]) * _FACTORS[match[2]]
    if count > _MOST:
        raise ValueError(f"{text} is more than any network has; omit it, or give {_MOST:.0e} or less")
    return round(count)

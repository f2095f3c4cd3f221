"""Describe what the solver was told of a trial: its objective, and how far it is from the constraints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from results.format import metric_text
from results.metrics import METRICS, limits_of
from results.scores import sought_score


def words(trial: Mapping[str, Any], study: Mapping[str, Any]) -> str:
    """Return the description in one line. `study`: its row of `queries.studies`."""
    if trial["objective"] is None:
        return "failed" if trial["state"] == "failed" else ""
    return "; ".join([f"objective {trial['objective']:.10g}", *_constraints(trial, study)])


def _constraints(trial: Mapping[str, Any], study: Mapping[str, Any]) -> Iterator[str]:
    heard, limits = list(trial["constraints"] or ()), limits_of(study["question"])
    if len(heard) > len(limits):
        yield sought_score(study["question"]).reword(_missed(heard.pop(0), trial["state"]))
    for (name, most), over in zip(limits.items(), heard, strict=False):
        yield _over(name, most, over)


def _missed(share: float, state: str) -> str:
    if state == "screened":
        return "accuracy not measured"
    points = f"{100 * abs(share):.2f} points"
    if share > 0:
        return f"{'expected to miss' if state == 'pruned' else 'misses'} the required accuracy by {points}"
    return f"meets the required accuracy with {points} to spare"


def _over(name: str, most: float, share: float) -> str:
    metric = METRICS[name]
    apart, side = metric_text(metric, abs(share) * most), "over" if share > 0 else "under"
    return f"{apart} {metric.base_unit} {side} the limit of {metric_text(metric, most)} {metric.base_unit}"

"""Format numbers, times and a model's settings for tables.

Ingredients that a model leaves out are counted and not named: a search over recipes decides on every
ingredient of a long list, most of which no recipe had.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from results.analysis.posterior import VerdictSettings
from results.metrics import METRICS, Metric, minimised_metric
from results.packages import pandas as pd
from results.scores import ACCURACY, Score, sought_score

# the outcomes of a trial in words
MET_ONCE, BELOW, REPEAT = "met once, unconfirmed", "below required accuracy", "repeat"
TOO_LARGE = "too large"  # as only its training told
STOPPED_EARLY, SKIPPED = "stopped early", "skipped before training"


def plain_rows(rows: pd.DataFrame | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the frame's rows as dicts, with None for missing values. A list is returned as it is."""
    if isinstance(rows, list):
        return rows
    whole = rows.astype(object).where(rows.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in whole.to_dict("records")]


def settings(row: Mapping[str, Any]) -> str:
    """Return a model's architecture and ingredients: `layers 3, blocks 4-6-8; sam 0.1, 2 left out`."""
    parts = (_named(_object(row["architecture"]).items()), _ingredients(_object(row["ingredients"])))
    return "; ".join(part for part in parts if part) or "-"


def changes(point: Any, start: Any) -> str:
    """Return the values in which a candidate differs from the start: `policy none, rho 0.12`."""
    from_start = _object(start)
    return _named((name, v) for name, v in _object(point).items() if v != from_start.get(name)) or "-"


def _ingredients(changed: Mapping[str, Any]) -> str:
    put_in = [
        " ".join([name, *map(_short, settings.values())])
        for name, settings in changed.items()
        if settings is not None
    ]
    left_out = len(changed) - len(put_in)
    return ", ".join([*put_in, *([f"{left_out} left out"] if left_out else [])])


def _named(values: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(
        f"{name} {_short(value) if isinstance(value, list) else value_text(value)}" for name, value in values
    )


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(_short, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _object(value: Any) -> Mapping[str, Any]:
    """Return the JSON object, an empty one if the database has none."""
    return value if isinstance(value, Mapping) else {}


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or pandas' NA, which there is only once pandas is imported."""
    return bool(pd.isna(value)) if "pandas" in sys.modules else value is None or value != value


def relevant_settings(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study's settings without those that mean nothing to the script that it is over, if it is."""
    if "config_as" not in question:
        return dict(question)
    kept = ("budget", "seed", "device", *([] if sought_score(question).is_number else ["validation_images"]))
    training = {name: value for name, value in question["training"].items() if name in kept}
    others = {name: value for name, value in question.items() if name != "scale"}
    return {**others, "training": training}


def shown_point(point: Mapping[str, Any] | None, config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a candidate in the values that its training gets, which are those that people are shown.

    The solver's multipliers are of the base network, and the named spaces have the learning rate on SGD's
    scale. A training gets multipliers of the named network, and the rate of its optimizer.

    config: its trial.json; None: not known, so that the values are the solver's
    """
    config = config or {}
    given = {**(config.get("scale") or {}), **(config.get("hyperparameters") or {})}
    return {name: given.get(name, value) for name, value in (point or {}).items()}


def value_text(value: Any) -> str:
    """Return a value of a candidate in few characters; a dash for a missing one."""
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def stop_text(row: Mapping[str, Any]) -> str:
    """Return at which fraction of its budget a trial was stopped early, or would have been, and why."""
    if row["stop_progress"] is None:
        return ""
    did = "stopped" if row["state"] == "pruned" else "would have been stopped"
    expected = f"expected {percent(row['predicted_accuracy'])}, required {percent(row['stop_bound'])}"
    return f"{did} at {percent(row['stop_progress'], 0)}: {expected}"


def percent(fraction: float | None, digits: int = 2) -> str:
    """Return 0.9012 as 90.12%."""
    return "-" if fraction is None else f"{fraction:.{digits}%}"


def mean_text(mean: float | None, std: float | None, n: int) -> str:
    """Return a mean with its standard deviation over n trainings: 15.40% (sd 1.78, n 3)."""
    spread = "" if std is None else f"sd {100 * std:.2f}, "
    return f"{percent(mean)} ({spread}n {n})"


def interval(row: Mapping[str, Any], sought: Score = ACCURACY) -> str:
    """Return the 95% interval of an accuracy in percent, or of a number: [11.31, 17.52]."""
    low, high = row["accuracy_low"], row["accuracy_high"]
    return "-" if low is None else sought.interval_text(low, high)


def comparison_text(
    probability: float,
    row: Mapping[str, Any],
    tolerance: float | None = 0.0,
    sought: Score = ACCURACY,
    needed: float = 0.0,
) -> str:
    """Return how a network compares with the base network, or with the start of a search for accuracy.

    row: with the columns of `difference.COLUMNS`; tolerance: None for a comparison with the start
    needed: the probability that confirms, which is told with one that falls short
    """
    points = 100 * (tolerance or 0.0)
    claim = "as accurate as the base"
    if points:
        claim = f"at most {quantity(points, 'point')} less accurate than the base"
    elif tolerance is None:
        claim = "more accurate than the start"
    chance = ">99.9%" if probability >= 0.9995 else percent(probability, 1)
    if probability < needed:  # rounded down, so that the two are never the same
        chance = f"{math.floor(1000 * probability) / 10:.1f}% ({percent(needed, 1)} needed)"
    gap = sought.difference_text(row["difference"], row["difference_low"], row["difference_high"])
    return f"{claim} with probability {chance}: difference {gap}, {quantity(row['pairs'], 'pair')}"


def trust_text(row: Mapping[str, Any], question: Mapping[str, Any], minimised: str | None) -> str:
    """Return how likely a trial or a model is to be what it is named for; empty if it was not retrained.

    row: with `probability` and the columns of `difference.COLUMNS`; question: the study's settings
    """
    chance, sought, minimised = row["probability"], sought_score(question), minimised_metric(minimised)
    if chance is None:
        return ""
    if row["difference"] is not None:
        settings = VerdictSettings.read(question)
        tolerance, needed = (settings.tolerance, settings.needed) if minimised else (None, 0.0)
        return sought.reword(comparison_text(chance, row, tolerance, sought, needed))
    claim = "to reach the required accuracy" if minimised else "to be more accurate than the start"
    return sought.reword(f"{percent(chance, 1)} likely {claim}")


def why_text(trial: Mapping[str, Any], minimise: str | None) -> str:
    """Return why a solver chose a trial; empty if it has no model.

    trial: with its `belief`, `point` and `candidate` (its `shown_point`); minimise: the study's metric
    """
    belief, point = trial["belief"], trial["point"] or {}
    if not belief or "kind" not in belief:
        return ""
    scale = {name: trial["candidate"][name] / point[name] for name in belief.get("candidate", {})}
    candidate = _named((name, scale[name] * value) for name, value in belief.get("candidate", {}).items())
    kinds = {
        "design": "one of the first networks around the base",
        "new": "a new network",
        "replicate": "the same network again",
        "base": f"the base again, to compare {candidate} with it",
        "poll": "a neighbour of the best network (poll)",
    }
    told = kinds[belief["kind"]]
    if belief.get("probability") is not None:
        told += f": {percent(belief['probability'], 0)} likely to be as accurate as it must be"
    if belief.get("log_saving") is not None:
        than = "the base" if belief.get("named") is None else "the network named then"
        if belief.get("cost_to_beat") is None:
            than = "the largest candidate"
        noun = METRICS[minimise].noun if minimise else "cost"
        told += f", with {percent(1 - math.exp(-belief['log_saving']), 0)} fewer {noun} than {than}"
    return told


def metric_text(metric: Metric, amount: float | None) -> str:
    """Return an amount of a metric as a table has it, without its unit."""
    return millions(amount) if metric.is_count else number(amount, metric.digits)


def millions(count: float | None) -> str:
    """Return 1234567 as 1.23M."""
    return "-" if count is None else f"{count / 1e6:.2f}M"


def megabytes(count: float | None) -> str:
    """Return 45100000 bytes as 45.1 MB, and fewer than 100 kB with three digits."""
    return "-" if count is None else f"{count / 1e6:.{1 if count >= 1e5 else 3}f} MB"


def quantity(count: float, noun: str) -> str:
    """Return a count with its noun: `1 pair`, `2 pairs`, `1,000 trials`."""
    return f"{count:,.10g} {noun}{'' if count == 1 else 's'}"


def number(value: float | None, digits: int) -> str:
    """Return a number with so many digits after the decimal point."""
    return "-" if value is None else f"{value:.{digits}f}"


def size_text(size: float | None) -> str:
    """Return a number of bytes with its unit."""
    if size is None:
        return "-"
    for unit, bytes_each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_each:
            return f"{size / bytes_each:.1f} {unit}"
    return f"{size:.0f} bytes"


def moment(at: Any) -> str:
    """Return a time in UTC, to the minute."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M}"


def stops_text(stops: Mapping[str, Any] | None) -> str:
    """Return what early stopping saved, and how often it was wrong; empty if it did nothing.

    stops: the study's row of the view `early_stops`
    """
    if stops is None or not (stops["pruned"] or stops["would_stop"]):
        return ""
    words = [f"{stops['pruned']} stopped", f"{stops['trainings_saved']:.1f} trainings saved"]
    if stops["would_stop"]:  # stops that were checked, because the trial was exempt
        words.append(f"{stops['false_stops']} of {quantity(stops['would_stop'], 'check')} wrong")
    return ", ".join(words)

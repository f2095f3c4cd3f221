"""Means of variants over runs, and their differences from one variant, run by run.

Subsets differ more than recipes do: a difference between runs of the same images and weights has a far
smaller deviation than a difference of means.
"""

import statistics
from collections.abc import Sequence
from typing import Any

WHOLE = "as it is"  # the variant the others are compared with

Json = dict[str, Any]
Values = dict[int, float]  # by run


def table(lines: Sequence[Json], names: Sequence[str], metric: str) -> dict[str, Json]:
    """In points of percent, for each variant: its mean, and its difference from WHOLE in pairs.

    lines: `variant`, `run`, `exit_code` and, of those that exited 0, `final` with the metric
    """
    values: dict[str, Values] = {name: {} for name in names}
    failed = dict.fromkeys(names, 0)
    for line in lines:
        if line["exit_code"]:
            failed[line["variant"]] += 1
        else:
            values[line["variant"]][line["run"]] = 100 * line["final"][metric]
    return {
        name: {
            **spread(list(mine.values())),
            "failed": failed[name],
            "difference": _difference(mine, values[WHOLE]),
        }
        for name, mine in values.items()
    }


def spread(values: Sequence[float]) -> Json:
    """Mean, sample standard deviation and n; None where there are too few."""
    return {
        "mean": statistics.fmean(values) if values else None,
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "n": len(values),
    }


def show(metric: str, rows: dict[str, Json]) -> None:
    """Print a table."""
    print(f"\n{metric}, %: mean, standard deviation, n; difference from the recipe {WHOLE}, in pairs")
    for name, row in rows.items():
        beside = "" if name == WHOLE else f"   {_words(row['difference'], '+.2f')}"
        failed = f"   {row['failed']} failed" if row["failed"] else ""
        print(f"{name:40} {_words(row, '.2f')}{beside}{failed}")


def _difference(mine: Values, whole: Values) -> Json:
    return spread([mine[run] - whole[run] for run in sorted(mine.keys() & whole.keys())])


def _words(found: Json, form: str) -> str:
    mean, std = (found[name] for name in ("mean", "std"))
    shown, deviation = ("-" if mean is None else f"{mean:{form}}"), ("-" if std is None else f"{std:.2f}")
    return f"{shown:>7} ±{deviation:>5}  n={found['n']}"

"""Tables that compare two studies: their results, and the differences of their settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.table import Table

from results.db.spec_diff import differences
from results.format import millions, percent, value_text
from results.study_record import StudyRecord
from results.tables import grid


def compare_studies(study: StudyRecord, other: StudyRecord) -> list[Table]:
    """Return the tables of two studies' results and of their settings."""
    heads = ("", study.name, other.name)
    rows: list[tuple[str, ...]] = [(name, said(study), said(other)) for name, said in _COMPARED.items()]
    asked = differences(study.study["question"], other.study["question"])
    differ = []
    for line in asked:
        what, _, values = line.partition(": ")
        one, _, two = values.removesuffix(" now").partition(" recorded, ")
        differ.append((what, one, two))
    if study.sought == other.sought:  # then the rows name it
        rows = [(study.sought.reword(name), *cells) for name, *cells in rows if name != "metric"]
    kept = [row for row in rows if row[1:] != ("-", "-")]
    return [
        grid("Results side by side", heads, kept, ()),
        grid("Settings that differ", ("what", study.name, other.name), differ, ("what", *heads)),
    ]


def _of_winner(name: str, said: Callable[[Any], Any]) -> Callable[[StudyRecord], str]:
    def of(study: StudyRecord) -> str:
        row = study.winner
        return "-" if row is None else str(said(row[name]))

    return of


_COMPARED: dict[str, Callable[[StudyRecord], str]] = {
    "kind": lambda study: str(study.study["kind"]),
    "state": lambda study: str(study.study["state"]),
    "metric": lambda study: study.sought.noun,
    "required accuracy": lambda study: percent(study.bound),
    "baseline": lambda study: percent(study.study["baseline_accuracy"]),
    "trainings spent": lambda study: f"{study.study['spent']:,.10g} of {study.study['budget_trials']:,}",
    "seconds of trainings": lambda study: f"{study.seconds:,.0f}",
    "skipped before training": lambda study: f"{study.study['screened']:,}",
    "failed": lambda study: f"{study.study['failed']:,}",
    "best trial": _of_winner("number", str),
    "its MACs": _of_winner("macs", millions),
    "its parameters": _of_winner("parameters", millions),
    "its mean accuracy": lambda study: percent(study.study["best_mean_accuracy"]),
    "its verdict": _of_winner("verdict", lambda verdict: verdict or "provisional"),
    "probability of reaching the required accuracy": _of_winner(
        "probability", lambda chance: percent(chance, 1)
    ),
    "its values": lambda study: _choice(study),
}


def _choice(study: StudyRecord) -> str:
    point = (study.winner or {}).get("point") or {}
    return ", ".join(f"{name} {value_text(value)}" for name, value in point.items()) or "-"
